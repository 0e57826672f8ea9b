/** Work that is enqueued where a bot waits: given in the commit that makes it, and by no other rules than any work. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import pg from 'pg';
import { drainBots } from '../../src/farm/drain-bots.ts';
import { enqueueJob, enqueueJobs } from '../../src/farm/enqueue-job.ts';
import {
  active,
  board,
  connect,
  done,
  leasesOf,
  only,
  openTestHome,
  stateOf,
  type TestHome,
} from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { testLine, testRule } from '../support/farm.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';
import { createManualClock } from '../support/manual-clock.ts';

const lines = [
  testLine({
    shopfloorUrl: 'http://127.0.0.1:9/',
    stations: new Map([
      ['FAT', testRule({ station: 'FAT' })],
      ['GATED', testRule({ station: 'GATED', mode: 'gate' })],
    ]),
  }),
];

let database: FreshDatabase;
let home: TestHome;
/** A replica that hears nothing of `home`, nor `home` of it. */
let other: TestHome;
beforeEach(async () => {
  database = await freshDatabase();
  const open = () => openTestHome({ database, clock: createManualClock(), lines });
  [home, other] = [open(), open()];
});
afterEach(async () => {
  for (const { sessions } of [home, other]) for (const { parked } of sessions.byName.values()) parked?.end('shutdown');
  await Promise.all([home.settled(), other.settled()]);
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

/** A bot whose poll is held, and nothing is on its way to it. */
const parkedBot = async (botId: string, says: Parameters<typeof connect>[2] = {}) => {
  const bot = await connect(home, botId, says);
  const before = home.sessions.parked;
  const poll = bot.park();
  await expect.poll(() => home.sessions.parked).toBe(before + 1);
  await expect.poll(() => home.sessions.byName.get(bot.name)!.inLine).toBe(0);
  return { ...bot, parked: poll };
};

/** A transaction's first wait before it is tried again is shorter; nothing else that these tests wait for is. */
const ONCE_MS = 21;

/** In how many commits the job was enqueued and granted. */
const commitsOf = async (jobId: number): Promise<number> => {
  const { rows } = await database.pool.query<{ kinds: number; commits: number }>(
    `select count(*) as kinds, count(distinct xact) as commits from farm_events
     where job_id = $1 and kind in ('JOB_ENQUEUED', 'LEASE_GRANTED')`,
    [jobId],
  );
  expect(rows[0]!.kinds).toBe(2);
  return rows[0]!.commits;
};

const asOwner = async (sql: string): Promise<void> => {
  const owner = new pg.Client(database.ownerUrl);
  await owner.connect();
  await owner.query(sql).finally(() => owner.end());
};

describe('a job that is enqueued where a bot waits', () => {
  it.each([
    ['for anybody', {}],
    ['pinned to its DUT', { serials: mlb('U1') }],
    ['for the bot by name', { requestedBotId: 'b' }],
  ])('is granted in the same commit: %s', async (_what, job) => {
    const bot = await parkedBot('b', { duts: [board('U1')] });
    const { id } = await enqueueJob(home, jobRequest(job));
    expect(await leasesOf(home, id)).toEqual(['PENDING']);
    expect(only(await bot.parked).jobId).toBe(id);
    expect(await commitsOf(id)).toBe(1);
    expect(home.wakes.filter(({ kind }) => kind !== 'job')).toEqual([]);
  });

  it('is done and told as any other', async () => {
    const bot = await parkedBot('b', { duts: [board('U1')] });
    const { id } = await enqueueJob(home, jobRequest());
    const lease = only(await bot.parked);
    await bot.poll([active(lease.id)]);
    expect((await bot.poll([done(lease.id)])).leases).toEqual([]);
    expect(await stateOf(home, id)).toMatchObject({ state: 'FINISHED', verdict: 'PASSED', attempts: 1 });
  });

  it('comes with others: as many bots as there are jobs are answered, and one takes what it has room for', async () => {
    const one = await parkedBot('one');
    const two = await parkedBot('two', { capacity: 2 });
    const spare = await parkedBot('spare');
    const jobs = await enqueueJobs(home, [jobRequest(), jobRequest(), jobRequest()]);
    const held = [await one.parked, await two.parked].map(({ leases }) => leases.length);
    const more = home.sessions.byName.get(spare.name)!.leases.size;
    expect([...held, more].reduce((sum, leases) => sum + leases)).toBe(3);
    for (const { id } of jobs) expect(await commitsOf(id)).toBe(1);
  });

  it('waits behind an older one that the bot may take, of which nobody here has heard', async () => {
    const bot = await parkedBot('b');
    const older = await enqueueJob(other, jobRequest());
    const newer = await enqueueJob(home, jobRequest());
    expect(only(await bot.parked).jobId).toBe(older.id);
    expect(await stateOf(home, newer.id)).toMatchObject({ state: 'QUEUED', heldBy: null });
  });

  it('goes before an older one that is less urgent', async () => {
    const bot = await parkedBot('b');
    const older = await enqueueJob(other, jobRequest({ priority: 5 }));
    const urgent = await enqueueJob(home, jobRequest({ priority: -5 }));
    expect(only(await bot.parked).jobId).toBe(urgent.id);
    expect(await stateOf(home, older.id)).toMatchObject({ state: 'QUEUED' });
  });

  it('of which a former request speaks is not made, nor granted, again', async () => {
    const bot = await parkedBot('b');
    const { id } = await enqueueJob(home, jobRequest({ requestId: 'r1' }));
    const lease = only(await bot.parked);
    await bot.poll([active(lease.id)]);
    await bot.poll([done(lease.id)]);
    const again = await parkedBot('another');
    expect((await enqueueJob(home, jobRequest({ requestId: 'r1' }))).id).toBe(id);
    expect(home.sessions.byName.get(again.name)!.leases.size).toBe(0);
    expect(await leasesOf(home, id)).toEqual(['COMPLETED']);
  });
});

describe('a bot that waits is passed over', () => {
  /** The job is there, nobody has it, and the bot waits on. */
  const stays = async (bot: { readonly name: string }, job: Parameters<typeof jobRequest>[0] = {}) => {
    const { id } = await enqueueJob(home, jobRequest(job));
    await home.settled();
    expect(await leasesOf(home, id)).toEqual([]);
    expect(home.sessions.byName.get(bot.name)!.parked).not.toBeNull();
    return stateOf(home, id);
  };

  it.each([
    ['is held', `held_reason = 'for a person'`],
    ['settles', `settling_until = farm_now() + interval '1 hour', settling_reason = 'unclean'`],
  ])('while its DUT %s', async (_what, change) => {
    const bot = await parkedBot('b', { duts: [board('U1')] });
    await database.pool.query(`update devices set ${change}`);
    expect(await stays(bot)).toMatchObject({ state: 'QUEUED', heldBy: null });
  });

  it('while another has its DUT', async () => {
    const bot = await parkedBot('b', { duts: [board('U1')] });
    await enqueueJob(other, jobRequest({ serials: mlb('U1') }));
    const rival = await connect(other, 'rival', { duts: [board('U1')] });
    expect(rival.created.leases).toHaveLength(1);
    expect(await stays(bot)).toMatchObject({ state: 'QUEUED' });
  });

  it('when the job must ask at its gate first', async () => {
    const bot = await parkedBot('b', { duts: [board('U1')] });
    expect(await stays(bot, { station: 'GATED', serials: mlb('U1') })).toMatchObject({ heldBy: 'GATE_TURN' });
  });

  it('when the job is for other bots, or the bot is drained', async () => {
    const bot = await parkedBot('b', { properties: '{"pool":["y"]}' });
    await stays(bot, { constraints: [{ key: 'pool', allowedValues: ['x'] }] });
    await stays(bot, { requestedBotId: 'another' });
    await drainBots(home, { instance: 'line-1', pattern: 'b', note: 'swap', expiresInMs: null });
    await expect.poll(() => home.matching.drains).toHaveLength(1);
    await stays(bot);
  });

  it('by the second job of a route, which waits for the first', async () => {
    const bot = await parkedBot('b', { duts: [board('U1')], capacity: 2 });
    const route = { serials: mlb('U1'), route: 'line' };
    const [first, second] = await enqueueJobs(home, [jobRequest(route), jobRequest(route)]);
    expect(only(await bot.parked).jobId).toBe(first!.id);
    expect(await stateOf(home, second!.id)).toMatchObject({ state: 'QUEUED', heldBy: 'ROUTE' });
  });

  it('when it has gone to another replica, of which nobody here has heard', async () => {
    const bot = await parkedBot('b');
    await bot.poll([], { at: other });
    const { id } = await enqueueJob(home, jobRequest());
    expect((await bot.parked).leases).toEqual([]);
    expect(await leasesOf(home, id)).toEqual([]);
    expect(home.sessions.byName.size).toBe(0);
  });
});

describe('an enqueue', () => {
  it('does not wait for a bot that somebody else has in hand; the bot is given the job when it is free', async () => {
    const bot = await parkedBot('b');
    const busy = await database.pool.connect();
    await busy.query('begin');
    await busy.query('select from bot_sessions for update');
    const { id } = await enqueueJob(home, jobRequest());
    expect(await leasesOf(home, id)).toEqual([]);
    await busy.query('rollback');
    busy.release();
    expect(only(await bot.parked).jobId).toBe(id);
  });

  it('is done without a grant that fails, and the bot is called back', async () => {
    const bot = await parkedBot('b');
    await asOwner(`create function refuse() returns trigger language plpgsql as $$ begin raise 'no leases today'; end $$;
                   create trigger refuse before insert on leases for each row execute function refuse()`);
    const { id } = await enqueueJob(home, jobRequest());
    expect((await bot.parked).leases).toEqual([]);
    expect(await stateOf(home, id)).toMatchObject({ state: 'QUEUED' });
    await asOwner('drop trigger refuse on leases');
    expect(only(await bot.poll()).jobId).toBe(id);
  });

  it('keeps no bot waiting while it waits for its next try', async () => {
    const clock = createManualClock();
    const waits: (() => void)[] = [];
    const sleep = (ms: number, signal?: AbortSignal) =>
      ms < ONCE_MS ? new Promise<void>((go) => waits.push(go)) : clock.sleep(ms, signal);
    home = openTestHome({ database, clock: { ...clock, sleep }, lines });
    const bot = await parkedBot('b');
    await asOwner(`create sequence tries; grant usage on sequence tries to public;
                   create function refuse() returns trigger language plpgsql as $$ begin
                     if nextval('tries') = 1 then raise 'not now' using errcode = '55P03'; end if; return new; end $$;
                   create trigger refuse before insert on leases for each row execute function refuse()`);
    const enqueued = enqueueJob(home, jobRequest());
    await expect.poll(() => waits).toHaveLength(1);
    await expect.poll(() => home.sessions.byName.get(bot.name)!.inLine).toBe(0);
    // Answered at once; and the look that it makes for itself finds nothing yet.
    expect((await bot.poll()).leases).toEqual([]);
    await bot.parked;
    const again = bot.park();
    await expect.poll(() => home.sessions.byName.get(bot.name)!.parked).not.toBeNull();
    for (const go of waits) go();
    expect(only(await again).jobId).toBe((await enqueued).id);
  });

  it('gives nothing once the replica is leaving', async () => {
    const bot = await parkedBot('b');
    home.stopping = true;
    const { id } = await enqueueJob(home, jobRequest());
    expect(await leasesOf(home, id)).toEqual([]);
    home.sessions.byName.get(bot.name)!.parked!.end('shutdown');
    expect((await bot.parked).leases).toEqual([]);
  });
});
