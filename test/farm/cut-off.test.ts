/** Replicas whose database goes away, for one of them or for all, and bots that must not believe them for too long. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type pg from 'pg';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { sweepLeases, sweepSessions } from '../../src/farm/sweep.ts';
import { beat, tickOnce } from '../../src/farm/tick.ts';
import { Ticker } from '../../src/farm/ticker.ts';
import { silenceOf } from '../../src/farm/vouch.ts';
import { active, connect, done, leasesOf, only, openTestHome, stateOf, type TestHome } from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { testLine, testRule } from '../support/farm.ts';
import { jobRequest } from '../support/job-requests.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

const NOW = new Date('2026-03-01T08:00:00Z');
const lines = [
  testLine({
    stations: new Map([
      ['FAT', testRule({ station: 'FAT' })],
      ['RUNIN', testRule({ station: 'RUNIN', lostAfterMs: 30 * 60_000 })],
    ]),
  }),
];
const CUT_OFF = { kind: 'UNAVAILABLE', reason: 'CUT_OFF' };

let database: FreshDatabase;
let clock: ManualClock;
/** The way from `home` to the database. */
let way: {
  pool: pg.Pool;
  isCut: boolean;
  /** What becomes of heartbeats, while all else goes well; null: nothing does. */
  beats: Error | null;
  statements: number;
  /** They begin when this has resolved. */
  transactions: Promise<unknown>;
};
let home: TestHome;
let other: TestHome;
let memory: { lastMs: number | null };
let otherMemory: { lastMs: number | null };
beforeEach(async () => {
  database = await freshDatabase();
  await database.setNow(NOW);
  clock = createManualClock(NOW);
  way = wayTo(database.pool);
  home = openTestHome({ database: { ...database, pool: way.pool }, clock, lines });
  other = openTestHome({ database, clock, lines });
  [memory, otherMemory] = [{ lastMs: null }, { lastMs: null }];
  await tickOnce(home, memory);
  await tickOnce(other, otherMemory);
  // That of the very first tick, when there was nobody.
  await database.pool.query(`update farm_marks set amnesty_until = '-infinity'`);
});
afterEach(async () => {
  await Promise.all([home.settled(), other.settled()]);
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

const wayTo = (pool: pg.Pool): typeof way => {
  const made: typeof way = { pool, isCut: false, beats: null, statements: 0, transactions: Promise.resolve() };
  made.pool = new Proxy(pool, {
    get: (target, property) => {
      const value: unknown = Reflect.get(target, property);
      if (property !== 'query' && property !== 'connect') return value;
      return (...words: unknown[]) => {
        made.statements += 1;
        if (made.isCut) return Promise.reject(Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' }));
        if (made.beats !== null && String(words[0]).includes('insert into replicas')) return Promise.reject(made.beats);
        const ask = (): unknown => (value as (...words: unknown[]) => unknown).apply(target, words);
        return property === 'connect' ? made.transactions.then(ask) : ask();
      };
    },
  });
  return made;
};

/** Both clocks move on, in the steps of the ticks; a beat that is not answered is no news here. */
const pass = async (ms: number): Promise<void> => {
  for (let leftMs = ms; leftMs > 0; leftMs -= 5_000) {
    await clock.advance(Math.min(leftMs, 5_000));
    await database.setNow(clock.now());
    await tickOnce(home, memory).catch(() => undefined);
    await tickOnce(other, otherMemory);
  }
};
/** Only time passes: no replica ticks. */
const still = async (ms: number): Promise<void> => {
  await clock.advance(ms);
  await database.setNow(clock.now());
};

describe('a replica that no longer reaches its database', () => {
  it('answers from memory for 20 s, and then says where to go instead, without asking', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    await pass(5_000);
    way.isCut = true;
    await pass(15_000);
    expect(only(await bot.poll([active(id)])).state).toBe('ACTIVE');
    await still(5_001);
    way.statements = 0;
    await expect(bot.poll([active(id)])).rejects.toMatchObject(CUT_OFF);
    await expect(bot.poll([active(id)])).rejects.toThrow(
      'this replica has not reached the database for 20 s, and the others may take the bot for lost. ' +
        'Nothing was changed. Send the request to another replica, or again in a moment.',
    );
    expect(way.statements).toBe(0);
    way.isCut = false;
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'LEASED', attempts: 1 });
  });

  it('does not answer a poll that it has held meanwhile either, whatever ends it', async () => {
    const [held, woken] = [await connect(home, 'held'), await connect(home, 'woken')];
    const refusals = [held, woken].map((bot) => expect(bot.park()).rejects.toMatchObject(CUT_OFF));
    await expect.poll(() => home.sessions.parked).toBe(2);
    way.isCut = true;
    await pass(25_000);
    home.sessions.byName.get(woken.name)!.parked!.end('changed');
    await pass(20_000);
    await Promise.all(refusals);
  });

  it('answers a poll whose hold ends before that', async () => {
    const bot = await connect(home, 'b');
    const parked = bot.park();
    await expect.poll(() => home.sessions.parked).toBe(1);
    await pass(30_000);
    way.isCut = true;
    await pass(15_000);
    expect((await parked).leases).toEqual([]);
  });

  it('goes on with the same sessions when it does again, nothing forgotten', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    const session = home.sessions.byName.get(bot.name);
    way.isCut = true;
    await pass(50_000);
    await expect(bot.poll([active(id)])).rejects.toMatchObject(CUT_OFF);
    way.isCut = false;
    await pass(5_000);
    expect(silenceOf(home)).toBeNull();
    expect(only(await bot.poll([active(id)])).state).toBe('ACTIVE');
    expect(home.sessions.byName.get(bot.name)).toBe(session);
    await bot.poll([done(id)]);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', attempts: 1 });
  });

  it('loses its bots to another one, which keeps their leases: nobody else gets the unit', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    const rival = await connect(other, 'rival');
    way.isCut = true;
    let at = home;
    // As a bot of the SDK calls: every 10 s, and elsewhere when it is turned away.
    for (let tenths = 0; tenths < 20; tenths += 1) {
      await pass(10_000);
      await rival.poll([], { at: other });
      const told = await bot.poll([active(id)], { at }).catch(() => null);
      if (told === null) at = other;
      else expect(only(told).state).toBe('ACTIVE');
    }
    expect(at).toBe(other);
    way.isCut = false;
    expect((await bot.poll([done(id)], { at })).leases).toEqual([]);
    expect(await leasesOf(other, job.id)).toEqual(['COMPLETED']);
    expect(await stateOf(other, job.id)).toMatchObject({ state: 'FINISHED', attempts: 1 });
    // And its old home knows, at the first thing that it hears of it.
    await pass(5_000);
    expect(home.sessions.byName.size).toBe(0);
  });

  it('takes a report that has to be written all the same, and answers if that is committed', async () => {
    await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    way.isCut = true;
    await pass(25_000);
    way.isCut = false;
    expect((await bot.poll([done(id)])).leases).toEqual([]);
  });
});

const seenAgoOf = async (name: string): Promise<number> => {
  const { rows } = await database.pool.query<{ at: Date }>('select seen_at as at from bot_sessions where name = $1', [
    name,
  ]);
  return clock.now().getTime() - rows[0]!.at.getTime();
};

describe('a replica whose heartbeats fail, and nothing else', () => {
  const tooSlow = Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
  const noConnection = new Error('timeout exceeded when trying to connect');

  it('turns nobody away for a heartbeat that takes too long: each bot is heard of by a write of its own', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    way.beats = tooSlow;
    for (let calls = 0; calls < 12; calls += 1) {
      await pass(10_000);
      expect(only(await bot.poll([active(id)])).state).toBe('ACTIVE');
      expect(await seenAgoOf(bot.name)).toBeLessThanOrEqual(20_000);
      expect(silenceOf(home)).toBeNull();
    }
    await bot.poll([done(id)]);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', attempts: 1 });
  });

  it('does not call the database silent while sessions are written', async () => {
    await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    const busy = await connect(home, 'busy', { status: 2 });
    way.beats = noConnection;
    for (let calls = 0; calls < 6; calls += 1) {
      await pass(10_000);
      await busy.poll([], { version: String(calls) });
      expect(silenceOf(home)).toBeNull();
      expect(only(await bot.poll([active(id)])).state).toBe('ACTIVE');
    }
    // And from the last of them on it counts.
    await still(20_001);
    await tickOnce(home, memory).catch(() => undefined);
    expect(silenceOf(home)).toBe('this replica has not reached the database for 20 s');
  });

  it('hands out what it grants to a poll that it holds, and the database has heard of the bot by that', async () => {
    const bot = await connect(home, 'b');
    const parked = bot.park();
    await expect.poll(() => home.sessions.parked).toBe(1);
    way.beats = noConnection;
    await pass(25_000);
    expect(silenceOf(home)).not.toBeNull();
    const job = await enqueueJob(home, jobRequest());
    const { id } = only(await parked);
    expect(await seenAgoOf(bot.name)).toBe(0);
    expect(only(await bot.poll([active(id)])).state).toBe('ACTIVE');
    await bot.poll([done(id)]);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', attempts: 1 });
  });

  it('hands it out also where the hold ends while it is being granted', async () => {
    const bot = await connect(home, 'b');
    const parked = bot.park();
    await expect.poll(() => home.sessions.parked).toBe(1);
    way.beats = noConnection;
    await pass(25_000);
    await enqueueJob(other, jobRequest());
    const lets = Promise.withResolvers<undefined>();
    way.transactions = lets.promise;
    way.statements = 0;
    home.wake(other.wakes);
    // What the job wants is read, and the grant waits to begin.
    await expect.poll(() => way.statements).toBe(2);
    home.sessions.byName.get(bot.name)!.parked!.end('time');
    lets.resolve(undefined);
    expect(only(await parked).state).toBe('PENDING');
    // No write but the grant was needed for that.
    expect(way.statements).toBe(2);
  });

  it('answers a poll that it has held when the database has heard of the bot', async () => {
    const bot = await connect(home, 'b');
    const parked = bot.park();
    await expect.poll(() => home.sessions.parked).toBe(1);
    way.beats = tooSlow;
    await pass(25_000);
    expect(await seenAgoOf(bot.name)).toBe(25_000);
    home.sessions.byName.get(bot.name)!.parked!.end('changed');
    expect((await parked).leases).toEqual([]);
    expect(await seenAgoOf(bot.name)).toBe(0);
  });
});

describe('what the database last heard of a bot', () => {
  it('is never older than 20 s when the bot is answered, though the replica itself is well', async () => {
    await enqueueJob(home, jobRequest({ station: 'RUNIN' }));
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    // The network has swallowed its calls for ten minutes. Nobody would know of this one, did its home vanish now.
    await pass(600_000);
    expect(await seenAgoOf(bot.name)).toBe(600_000);
    expect(only(await bot.poll([active(id)])).state).toBe('ACTIVE');
    expect(await seenAgoOf(bot.name)).toBe(0);
    await still(29 * 60_000);
    await database.pool.query('delete from replicas');
    await sweepSessions(other);
    await sweepLeases(other);
    expect(only(await bot.poll([active(id)], { at: other })).state).toBe('ACTIVE');
  });

  it('costs nothing while the bot is heard of as often as bots are', async () => {
    await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    for (let calls = 0; calls < 6; calls += 1) {
      await pass(10_000);
      way.statements = 0;
      await bot.poll([active(id)]);
      expect(way.statements).toBe(0);
    }
  });

  it('is not known to a replica that was frozen: it asks, and hears that another one has the session', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    await still(30_000);
    await bot.poll([active(id)], { at: other });
    await bot.poll([done(id)], { at: other });
    // No tick has told it.
    expect((await bot.poll([active(id)])).leases).toEqual([]);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', attempts: 1 });
  });

  it('is not taken back by a heartbeat that a write overtook', async () => {
    const bot = await connect(home, 'b', { status: 2 });
    await still(5_000);
    await bot.poll([]);
    const session = home.sessions.byName.get(bot.name)!;
    await still(20_000);
    await home.write(session, { renews: true });
    // As it was when the heartbeat was made: heard of 20 s ago, and that not yet written.
    session.writtenMs = 0;
    await tickOnce(home, { lastMs: clock.monotonicMs() });
    expect(await seenAgoOf(bot.name)).toBe(0);
  });
});

describe('the heartbeat', () => {
  it('goes on beside a sweep that does not come to an end', async () => {
    const queued = await enqueueJob(home, jobRequest({ queueTimeoutMs: 1_000 }));
    let heard = 0;
    const ticker = new Ticker(home, () => (heard += 1));
    await ticker.start();
    const lets = Promise.withResolvers<undefined>();
    way.transactions = lets.promise;
    // The sweep of the second tick, and the job is still there after the fourth.
    for (const beats of [2, 3, 4]) {
      await still(6_000);
      await expect.poll(() => heard).toBe(beats);
    }
    expect(await stateOf(other, queued.id)).toMatchObject({ state: 'QUEUED' });
    lets.resolve(undefined);
    await ticker.stop();
    expect(await stateOf(other, queued.id)).toMatchObject({ state: 'FAILED', failure: 'QUEUE_TIMEOUT' });
  });

  it('tells that it was not answered, and since when', async () => {
    let missed = 0;
    const ticker = new Ticker(
      home,
      () => undefined,
      () => (missed += 1),
    );
    await ticker.start();
    way.isCut = true;
    await still(6_000);
    await expect.poll(() => missed).toBe(1);
    expect([home.silentSinceMs, silenceOf(home)]).toEqual([0, null]);
    await still(15_000);
    await expect.poll(() => missed).toBeGreaterThan(1);
    expect(silenceOf(home)).toBe('this replica has not reached the database for 21 s');
    way.isCut = false;
    await ticker.stop();
    await beat(home, memory);
    expect(silenceOf(home)).toBeNull();
  });
});
