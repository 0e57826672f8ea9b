import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import pg from 'pg';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { leaveFarm, stopHome } from '../../src/farm/stop-home.ts';
import { sweepLeases } from '../../src/farm/sweep.ts';
import { tickOnce } from '../../src/farm/tick.ts';
import { Ticker } from '../../src/farm/ticker.ts';
import { active, board, connect, only, openTestHome, stateOf, type TestHome } from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

const NOW = new Date('2026-03-01T08:00:00Z');

let database: FreshDatabase;
let clock: ManualClock;
/** Replicas that hear nothing of each other: every notice is lost. */
let home: TestHome;
let other: TestHome;
let memory: { lastMs: number | null };
beforeEach(async () => {
  database = await freshDatabase();
  await database.setNow(NOW);
  clock = createManualClock(NOW);
  [home, other] = [openTestHome({ database, clock }), openTestHome({ database, clock })];
  memory = { lastMs: null };
  await tickOnce(home, memory);
});
afterEach(async () => {
  await Promise.all([home.settled(), other.settled()]);
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

const expiryOf = async (name: string): Promise<number> => {
  const { rows } = await database.pool.query<{ at: Date }>(
    'select expires_at as at from bot_sessions where name = $1',
    [name],
  );
  return rows[0]!.at.getTime() - NOW.getTime();
};
/** Both clocks move on. */
const pass = async (ms: number): Promise<void> => {
  await clock.advance(ms);
  await database.setNow(clock.now());
};

describe('what a lost notice leaves undone, the next tick does', () => {
  it('gives queued work to a parked bot: for any, for its DUT, for itself', async () => {
    for (const wish of [{}, { serials: mlb('U1') }, { requestedBotId: 'b' }]) {
      const bot = await connect(home, 'b', { duts: [board('U1')] });
      const poll = bot.park();
      await expect.poll(() => home.sessions.parked).toBe(1);
      const job = await enqueueJob(other, jobRequest(wish));
      await tickOnce(home, memory);
      expect(only(await poll).jobId).toBe(job.id);
      await cancelJob(other, { instance: 'line-1', id: job.id, reason: '' });
      await tickOnce(home, memory);
      await bot.poll([]);
    }
  });

  it('shows a cancel to a bot that runs the work', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    await cancelJob(other, { instance: 'line-1', id: job.id, reason: '' });
    expect(only(await bot.poll([active(id)])).state).toBe('ACTIVE');
    await tickOnce(home, memory);
    expect(only(await bot.poll([active(id)])).state).toBe('CANCELLING');
    await bot.poll([]);
  });

  it('stops a bot whose lease another replica has ended', async () => {
    await enqueueJob(home, jobRequest({ executionTimeoutMs: 1_000 }));
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    await pass(2_000);
    await sweepLeases(other);
    expect(only(await bot.poll([active(id)])).state).toBe('ACTIVE');
    await tickOnce(home, memory);
    expect(await bot.poll([active(id)])).toMatchObject({ leases: [], cancelledOnce: [id] });
  });

  it('lets go of a session that another replica has taken, and ends its parked poll', async () => {
    const bot = await connect(home, 'b');
    const parked = bot.park();
    await expect.poll(() => home.sessions.parked).toBe(1);
    await bot.poll([], { at: other });
    await tickOnce(home, memory);
    expect((await parked).leases).toEqual([]);
    expect(home.sessions.byName.size).toBe(0);
  });

  it('learns of quarantine and of drains, and of their end', async () => {
    const bot = await connect(home, 'b');
    await database.pool.query(`update bots set quarantine_reason = 'smoke', quarantined_at = farm_now()`);
    await tickOnce(home, memory);
    await enqueueJob(home, jobRequest());
    expect((await bot.poll()).leases).toEqual([]);
    await database.pool.query(`update bots set quarantine_reason = null, quarantined_at = null`);
    await database.pool.query(`insert into drains (instance, pattern, note) values ('line-1', 'b*', 'night shift')`);
    await tickOnce(home, memory);
    expect((await bot.poll()).leases).toEqual([]);
    await database.pool.query('delete from drains');
    await tickOnce(home, memory);
    expect((await bot.poll()).leases).toHaveLength(1);
  });
});

describe('a heartbeat', () => {
  it('renews a session from when its bot was last heard, and a parked one from now, each in its turn', async () => {
    const [spoke, parked] = [await connect(home, 'spoke'), await connect(home, 'parked')];
    const poll = parked.park();
    await expect.poll(() => home.sessions.parked).toBe(1);
    await pass(2_000);
    await spoke.poll([], { status: 2 });
    await pass(3_000);
    await tickOnce(home, memory);
    const first = [await expiryOf(spoke.name), await expiryOf(parked.name)];
    expect([[92_000, 90_000].join(), [90_000, 95_000].join()]).toContain(first.join());
    await pass(5_000);
    await tickOnce(home, memory);
    expect(await expiryOf(spoke.name)).toBe(2_000 + 90_000);
    expect(await expiryOf(parked.name)).toBe(first[1] === 95_000 ? 95_000 : 100_000);
    home.sessions.byName.get(parked.name)!.parked!.end('time');
    await poll;
  });

  it('after this process was away, holds nobody silent: the calls may wait in its sockets', async () => {
    const bot = await connect(home, 'b');
    await pass(80_000);
    await tickOnce(home, memory);
    expect(await expiryOf(bot.name)).toBe(170_000);
  });

  it('neither waits for a write that holds a session nor takes it for silent', async () => {
    const bot = await connect(home, 'b');
    await pass(5_000);
    const writer = new pg.Client(database.url);
    await writer.connect();
    await writer.query('begin');
    await writer.query('select from bot_sessions where name = $1 for update', [bot.name]);
    await bot.poll([], {});
    await tickOnce(home, memory);
    await writer.query('rollback');
    await writer.end();
    expect(await expiryOf(bot.name)).toBe(90_000);
    await pass(5_000);
    await tickOnce(home, memory);
    expect(await expiryOf(bot.name)).toBe(5_000 + 90_000);
  });

  it('of a replica that comes back after all were away grants amnesty before anything expires', async () => {
    await connect(home, 'b');
    await pass(200_000);
    const first = await tickOnce(openTestHome({ database, clock }), { lastMs: null });
    expect([first.amnesty, first.due.sessions]).toEqual([true, true]);
    const { rows } = await database.pool.query('select state from bot_sessions');
    expect(rows).toEqual([{ state: 'OPEN' }]);
  });

  it('beside others needs no amnesty', async () => {
    await pass(14_000);
    expect((await tickOnce(other, { lastMs: null })).replicas).toBe(2);
    const { rows } = await database.pool.query<{ at: Date }>('select amnesty_until as at from farm_marks');
    // That of the very first tick, when there was nobody.
    expect(rows[0]!.at.getTime()).toBe(NOW.getTime() + 90_000);
  });

  it('keeps no hints that nothing stands behind', async () => {
    const job = await enqueueJob(home, jobRequest({ constraints: [{ key: 'pool', allowedValues: ['none'] }] }));
    await tickOnce(home, memory);
    expect(home.matching.hotRequirements.size).toBe(1);
    await cancelJob(home, { instance: 'line-1', id: job.id, reason: '' });
    await tickOnce(home, memory);
    expect(home.matching.hotRequirements.size).toBe(0);
  });

  it('goes on with what else is due when one part of it fails', async () => {
    const job = await enqueueJob(home, jobRequest({ queueTimeoutMs: 1_000 }));
    await connect(home, 'b', { status: 2 });
    await pass(100_000);
    await database.pool.query(`update farm_marks set amnesty_until = '-infinity'`);
    const owner = new pg.Client(database.ownerUrl);
    await owner.connect();
    await owner.query(
      `create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
       create trigger refuse before update on bot_sessions for each row when (new.state = 'LAPSED')
         execute function refuse()`,
    );
    await owner.end();
    // Not this one's own session, which it would renew.
    await database.pool.query('delete from replicas');
    await database.pool.query(`insert into replicas (id) values ('00000000-0000-4000-8000-000000000000')`);
    await tickOnce(other, { lastMs: 0 });
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FAILED', failure: 'QUEUE_TIMEOUT' });
  });
});

describe('a replica that leaves', () => {
  it('answers its parked polls, parks no more, gives no more, and leaves its sessions to the others', async () => {
    const bot = await connect(home, 'b');
    const parked = bot.park();
    await expect.poll(() => home.sessions.parked).toBe(1);
    await stopHome(home);
    expect((await parked).leases).toEqual([]);
    await enqueueJob(home, jobRequest());
    expect((await bot.park()).leases).toEqual([]);
    await leaveFarm(home);
    await tickOnce(other, memory);
    expect((await bot.poll([], { at: other })).leases).toHaveLength(1);
    const { rows } = await database.pool.query('select id from replicas');
    expect(rows).toEqual([{ id: other.replica }]);
  });
});

describe('the ticker', () => {
  it('ticks at its pace, at once when told that something was missed, and stops', async () => {
    let heard = 0;
    const ticker = new Ticker(home, () => (heard += 1));
    await ticker.start();
    expect(heard).toBe(1);
    ticker.soon();
    await expect.poll(() => heard).toBe(2);
    await clock.advance(6_001);
    await expect.poll(() => heard).toBe(3);
    await ticker.stop();
    await clock.advance(60_000);
    expect(heard).toBe(3);
  });
});
