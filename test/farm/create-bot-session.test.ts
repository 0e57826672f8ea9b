import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { sweepLeases, sweepSessions } from '../../src/farm/sweep.ts';
import {
  active,
  board,
  cancelled,
  connect,
  done,
  leasesOf,
  only,
  openTestHome,
  pending,
  stateOf,
  type TestHome,
  testResult,
} from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createWakeHub } from '../support/farm.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';
import { createManualClock } from '../support/manual-clock.ts';

const NOW = new Date('2026-03-01T08:00:00Z');

let database: FreshDatabase;
let home: TestHome;
let other: TestHome;
beforeEach(async () => {
  database = await freshDatabase();
  await database.setNow(NOW);
  const hub = createWakeHub();
  [home, other] = [0, 1].map(() => openTestHome({ database, clock: createManualClock(NOW), hub })) as [
    TestHome,
    TestHome,
  ];
});
afterEach(async () => {
  await Promise.all([home.settled(), other.settled()]);
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

const later = (ms: number): Promise<void> => database.setNow(new Date(NOW.getTime() + ms));
const settlingOf = async (): Promise<(string | null)[]> => {
  const { rows } = await database.pool.query<{ reason: string | null }>(
    'select settling_reason as reason from devices order by id',
  );
  return rows.map(({ reason }) => reason);
};

describe('a bot that comes back with a new session', () => {
  it('keeps the leases it shows, each as it was, and goes on with them', async () => {
    const jobs = [];
    for (let n = 0; n < 3; n += 1) jobs.push(await enqueueJob(home, jobRequest()));
    const first = await connect(home, 'b', { capacity: 3 });
    const [one, two, three] = first.created.leases.map(({ id }) => id) as [string, string, string];
    await first.poll([active(one), active(two), pending(three)]);
    await cancelJob(home, { instance: 'line-1', id: jobs[1]!.id, reason: '' });
    const again = await connect(home, 'b', { capacity: 3, leases: [active(one), active(two), pending(three)] });
    expect(again.name).not.toBe(first.name);
    expect(again.created.leases.map(({ id, state }) => [id, state])).toEqual([
      [one, 'ACTIVE'],
      [two, 'CANCELLING'],
      [three, 'PENDING'],
    ]);
    await again.poll([done(one), cancelled(two), done(three)]);
    expect(await Promise.all(jobs.map(({ id }) => stateOf(home, id)))).toMatchObject([
      { state: 'FINISHED', attempts: 1 },
      { state: 'CANCELLED' },
      { state: 'FINISHED', attempts: 1 },
    ]);
  });

  it('gives back what it had not started, uncounted, and loses what it had', async () => {
    const jobs = [await enqueueJob(home, jobRequest()), await enqueueJob(home, jobRequest())];
    const first = await connect(home, 'b', { capacity: 2 });
    const [one, two] = first.created.leases.map(({ id }) => id) as [string, string];
    await first.poll([active(one), pending(two)]);
    await connect(home, 'b', { status: 2 });
    expect(await Promise.all(jobs.map(({ id }) => leasesOf(home, id)))).toEqual([['LOST'], ['WITHDRAWN']]);
    expect(await Promise.all(jobs.map(({ id }) => stateOf(home, id)))).toMatchObject([
      { state: 'QUEUED', attempts: 1 },
      { state: 'QUEUED', attempts: 0 },
    ]);
  });

  it('ends the old session for good: its calls are told so, and the parked one is answered at once', async () => {
    const first = await connect(other, 'b');
    const parked = first.park();
    await expect.poll(() => other.sessions.parked).toBe(1);
    // At the other replica, which tells the one where the poll is.
    const second = await connect(home, 'b');
    expect(await parked).toMatchObject({ name: first.name, leases: [] });
    await expect(first.poll()).rejects.toMatchObject({
      kind: 'SESSION_CLOSED',
      message: /replaced by a newer session/,
    });
    expect((await second.poll()).name).toBe(second.name);
  });

  it('may complete in the very call what it had', async () => {
    const job = await enqueueJob(home, jobRequest());
    const first = await connect(home, 'b');
    await first.poll([active(only(first.created).id)]);
    const second = await connect(home, 'b', { leases: [done(only(first.created).id)] });
    expect(second.created.leases).toEqual([]);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', verdict: 'PASSED' });
  });

  it('too late has its results kept as stale: the job is somebody else’s by now', async () => {
    const job = await enqueueJob(home, jobRequest());
    const first = await connect(home, 'b');
    const { id } = only(first.created);
    await first.poll([active(id)]);
    await later(91_000);
    await sweepSessions(home);
    await sweepLeases(home);
    expect(await leasesOf(home, job.id)).toEqual(['LOST']);
    const late = done(id, { results: [testResult('probe', 'FAILED')] });
    const second = await connect(home, 'b', { status: 2, leases: [late] });
    // And again in an update, since the reply may have been lost.
    await second.poll([late], { status: 2 });
    const { rows } = await database.pool.query('select test_id as test, status, stale from test_results');
    expect(rows).toEqual([{ test: 'probe', status: 'FAILED', stale: true }]);
    expect(home.events.filter(({ kind }) => kind === 'LATE_COMPLETION')).toHaveLength(1);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'QUEUED', attempts: 1 });
  });

  it('of the same name in another instance is another bot', async () => {
    const both = openTestHome({
      database,
      lines: [home.lineOf('line-1')!, { ...home.lineOf('line-1')!, instance: 'x' }],
    });
    const { createBotSession } = await import('../../src/farm/create-bot-session.ts');
    const bot = await connect(both, 'b');
    await createBotSession(both, {
      instance: 'x',
      botId: 'b',
      peer: 'test',
      self: { status: 1, version: '', capacity: 1, properties: '{}', duts: [] },
      leases: [],
    });
    expect((await bot.poll()).name).toBe(bot.name);
  });

  it('shows what it holds un-started as seen, so that it is given the time of one that has seen it', async () => {
    const job = await enqueueJob(home, jobRequest());
    const first = await connect(home, 'b');
    await connect(home, 'b', { leases: [pending(only(first.created).id)] });
    await later(61_000);
    await sweepLeases(home);
    expect(await leasesOf(home, job.id)).toEqual(['PENDING']);
  });
});

describe('a bot that comes from another farm', () => {
  it('is taken, and the leases that it holds from there are not its own here', async () => {
    await enqueueJob(home, jobRequest());
    for (const id of ['', 'lease-7', '0'.repeat(36)]) {
      const bot = await connect(home, `b-${id}`, { capacity: 2, leases: [active(id), pending(`${id}-2`)] });
      expect(bot.created.leases).toEqual([]);
    }
    const bot = await connect(home, 'b', { capacity: 2, leases: [active('lease-7')] });
    expect(bot.created.leases).toMatchObject([{ state: 'PENDING' }]);
  });
});

describe('a call whose caller no longer waits', () => {
  it('begins no session, and ends none: the bot may have begun the other one since', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    await bot.poll([active(only(bot.created).id)]);
    const { createBotSession } = await import('../../src/farm/create-bot-session.ts');
    const self = { status: 1, version: '', capacity: 1, properties: '{}', duts: [] };
    const request = { instance: 'line-1', botId: 'b', peer: 'test', self, leases: [] };
    const late = createBotSession(home, request, AbortSignal.abort());
    await expect(late).rejects.toMatchObject({ kind: 'UNAVAILABLE', reason: 'CALLER_LEFT' });
    expect(await leasesOf(home, job.id)).toEqual(['ACTIVE']);
    expect(only(await bot.poll([active(only(bot.created).id)])).state).toBe('ACTIVE');
  });
});

describe('bots that come all at once', () => {
  const WAITING = `
    select from pg_locks l join pg_database d on d.oid = l.database
    where d.datname = current_database() and l.locktype = 'advisory' and not l.granted`;
  const begun = async () => {
    const { rows } = await database.pool.query<{ sessions: number; commits: number }>(
      `select count(*) as sessions, count(distinct xact) as commits from farm_events where kind = 'SESSION_CREATED'`,
    );
    return rows[0];
  };

  it('begin their sessions in one commit, each with its own DUT and what it held', async () => {
    const names = Array.from({ length: 20 }, (_, n) => `b${n}`);
    const come = () => Promise.all(names.map((name) => connect(home, name, { duts: [board(`U-${name}`)] })));
    await come();
    expect(await begun()).toEqual({ sessions: 20, commits: 1 });
    const { id: jobId } = await enqueueJob(home, jobRequest({ serials: mlb('U-b7') }));
    const lease = only(await (await connect(home, 'b7', { duts: [board('U-b7')] })).poll());
    expect(lease.jobId).toBe(jobId);
    const back = await Promise.all(
      names.map((name) =>
        connect(home, name, { duts: [board(`U-${name}`)], leases: name === 'b7' ? [active(lease.id)] : [] }),
      ),
    );
    expect(await begun()).toEqual({ sessions: 41, commits: 3 });
    expect(back.map(({ created }) => created.leases.length)).toEqual(names.map((name) => (name === 'b7' ? 1 : 0)));
    const { rows } = await database.pool.query('select count(*) as n from devices');
    expect(rows).toEqual([{ n: 20 }]);
  });

  it('have their sessions though one of them leaves while they are made', async () => {
    const { createBotSession } = await import('../../src/farm/create-bot-session.ts');
    const self = { status: 1, version: '', capacity: 1, properties: '{}', duts: [] };
    const leaving = new AbortController();
    const busy = await database.pool.connect();
    await busy.query('begin');
    await busy.query(`select pg_advisory_xact_lock(hashtextextended('serials:line-1', 0))`);
    const late = createBotSession(
      home,
      { instance: 'line-1', botId: 'leaves', peer: 'test', self, leases: [] },
      leaving.signal,
    );
    const stays = connect(home, 'stays', { duts: [board('U1')] });
    // They share a commit, which waits for the lock of the new serial.
    await expect.poll(async () => (await database.pool.query(WAITING)).rowCount).toBe(1);
    leaving.abort();
    await busy.query('rollback');
    busy.release();
    await expect(late).rejects.toMatchObject({ reason: 'CALLER_LEFT' });
    expect((await stays).name).toMatch(/^line-1\//);
    expect(await begun()).toEqual({ sessions: 1, commits: 1 });
  });
});

describe('a DUT that was left unclean', () => {
  const runsOn = async (unit: string) => {
    const job = await enqueueJob(home, jobRequest({ serials: mlb(unit), attemptsMax: 1 }));
    const bot = await connect(home, 'b', { duts: [board(unit)] });
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    return { job, bot, id };
  };

  it('has settled when its bot comes back with a new session and reports there, OK and without the lease', async () => {
    await runsOn('U1');
    const next = await enqueueJob(home, jobRequest({ serials: mlb('U1') }));
    const back = await connect(home, 'b', { duts: [board('U1')] });
    expect(await settlingOf()).toEqual(['the bot came back with a new session and without the lease']);
    expect(only(await back.park())).toMatchObject({ jobId: next.id });
    expect(await settlingOf()).toEqual([null]);
  });

  it('goes on settling when what came was the beginning of a session once more: its bot runs the lease since', async () => {
    await runsOn('U1');
    await connect(home, 'neighbour', { duts: [board('U0'), board('U1')] });
    const next = await enqueueJob(home, jobRequest({ serials: mlb('U1') }));
    // Sent before the report, twice on the way, and nobody hears this answer.
    await connect(home, 'b', { duts: [board('U1')] });
    expect(await leasesOf(home, next.id)).toEqual([]);
    expect(await settlingOf()).toContain('the bot came back with a new session and without the lease');
  });

  it('has settled by the word of its bot at whichever replica', async () => {
    await runsOn('U1');
    const next = await enqueueJob(home, jobRequest({ serials: mlb('U1') }));
    const back = await connect(home, 'b', { duts: [board('U1')] });
    expect(only(await back.park([], { at: other }))).toMatchObject({ jobId: next.id });
    expect(await settlingOf()).toEqual([null]);
  });

  it('has settled when its bot, which comes back and is not OK at first, says that it is: and gets what waits', async () => {
    await runsOn('U1');
    const next = await enqueueJob(home, jobRequest({ serials: mlb('U1') }));
    const back = await connect(home, 'b', { duts: [board('U1')], status: 5 });
    expect(only(await back.park([], { status: 1 }))).toMatchObject({ jobId: next.id });
  });

  it('has settled when its bot finds it later, while it works on another', async () => {
    await runsOn('U1');
    const other = await enqueueJob(home, jobRequest({ serials: mlb('U2') }));
    const back = await connect(home, 'b', { duts: [board('U2')], capacity: 2 });
    const { id, jobId } = only(back.created);
    expect(jobId).toBe(other.id);
    await back.poll([active(id)], { duts: [board('U2'), board('U1')] });
    expect(await settlingOf()).toEqual([null, null]);
  });

  it('goes on settling when another bot that can reach it begins a session: the first may be running it still', async () => {
    await connect(home, 'neighbour', { duts: [board('U0'), board('U1')] });
    const { job } = await runsOn('U1');
    await later(91_000);
    await sweepSessions(home);
    await sweepLeases(home);
    expect(await leasesOf(home, job.id)).toEqual(['LOST']);
    await connect(home, 'neighbour', { duts: [board('U0'), board('U1')] });
    expect(await settlingOf()).toEqual([null, expect.any(String)]);
    const back = await connect(home, 'b', { duts: [board('U1')] });
    await back.poll();
    expect(await settlingOf()).toEqual([null, null]);
  });

  it('goes on settling when its bot comes back and runs the lost lease still; nor is that bot given more', async () => {
    const { id } = await runsOn('U1');
    await later(91_000);
    await sweepSessions(home);
    await sweepLeases(home);
    await enqueueJob(home, jobRequest({ serials: mlb('U1') }));
    await enqueueJob(home, jobRequest());
    const back = await connect(home, 'b', { duts: [board('U1')], leases: [active(id)] });
    expect(back.created.leases).toEqual([]);
    expect(await settlingOf()).toEqual([expect.any(String)]);
    // It has heard that the lease is not its own, and has let go: only the DUT waits.
    expect((await back.poll([], { duts: [] })).leases).toHaveLength(1);
  });

  it('has settled once its bot shows the lost lease no more', async () => {
    const { id } = await runsOn('U1');
    await later(91_000);
    await sweepSessions(home);
    await sweepLeases(home);
    const back = await connect(home, 'b', { duts: [board('U1')], leases: [active(id)] });
    await back.poll([active(id)]);
    expect(await settlingOf()).toEqual([expect.any(String)]);
    await back.poll();
    expect(await settlingOf()).toEqual([null]);
  });

  it('goes on settling when its bot comes back but is not OK, until it says so', async () => {
    await runsOn('U1');
    const back = await connect(home, 'b', { duts: [board('U1')], status: 5 });
    expect(await settlingOf()).toEqual(['the bot came back with a new session and without the lease']);
    await back.poll([], { status: 1 });
    expect(await settlingOf()).toEqual([null]);
  });

  it('goes on settling whatever the session that left it so says next', async () => {
    const { job, bot, id } = await runsOn('U1');
    await cancelJob(home, { instance: 'line-1', id: job.id, reason: '' });
    await later(31_000);
    await sweepLeases(home);
    expect(await leasesOf(home, job.id)).toEqual(['CANCELLED']);
    expect((await bot.poll([active(id)])).cancelledOnce).toEqual([id]);
    await bot.poll([], { version: '2' });
    expect(await settlingOf()).toEqual(['the bot did not acknowledge the cancel within its grace']);
  });
});

describe('two machines with one bot_id', () => {
  it('quarantine it when they have taken turns too often, and both are named', async () => {
    for (const peer of ['a', 'b', 'a', 'b', 'a']) await connect(home, 'twin', { peer });
    await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'twin', { peer: 'b' });
    expect(bot.created.leases).toEqual([]);
    const { rows } = await database.pool.query<{ reason: string }>('select quarantine_reason as reason from bots');
    expect(rows[0]!.reason).toMatch(/two machines use this bot_id in turn: a and b/);
  });

  it('that is one which restarts from port to port is left alone', async () => {
    for (const peer of ['1', '2', '3', '4', '5', '6']) await connect(home, 'restarts', { peer });
    await enqueueJob(home, jobRequest());
    expect((await connect(home, 'restarts', { peer: '7' })).created.leases).toHaveLength(1);
  });
});

describe('creating', () => {
  it('succeeds though no work could be offered with it, for a session was made', async () => {
    await enqueueJob(home, jobRequest());
    const lost: TestHome = Object.assign(Object.create(home) as TestHome, {
      write: () => Promise.reject(new Error('the answer was lost')),
    });
    const bot = await connect(lost, 'b');
    expect(bot.created.leases).toEqual([]);
    expect((await bot.poll([], { at: home })).leases).toHaveLength(1);
  });

  it('twice at once leaves one session', async () => {
    await Promise.all([connect(home, 'b'), connect(other, 'b'), connect(home, 'b')]);
    const { rows } = await database.pool.query(`select name from bot_sessions where state <> 'CLOSED'`);
    expect(rows).toHaveLength(1);
  });

  it('hands out what was enqueued a moment ago, though nobody here has met its like before', async () => {
    for (let n = 0; n < 5; n += 1) {
      await enqueueJob(home, jobRequest({ constraints: [{ key: `new-${n}`, allowedValues: ['yes'] }] }));
      const bot = await connect(home, `b${n}`, { properties: `{"new-${n}":["yes"]}` });
      expect(bot.created.leases).toHaveLength(1);
    }
  });

  it('gives no work to one that is INITIALIZING, and none while the replica is leaving', async () => {
    await enqueueJob(home, jobRequest());
    expect((await connect(home, 'a', { status: 5 })).created.leases).toEqual([]);
    home.stopping = true;
    expect((await connect(home, 'b')).created.leases).toEqual([]);
    expect((await connect(other, 'c')).created.leases).toHaveLength(1);
  });
});
