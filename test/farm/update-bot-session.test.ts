import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { tickOnce } from '../../src/farm/tick.ts';
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
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';

let database: FreshDatabase;
let clock: ManualClock;
let home: TestHome;
beforeEach(async () => {
  database = await freshDatabase();
  clock = createManualClock();
  home = openTestHome({ database, clock });
});
afterEach(async () => {
  await home.settled();
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

const instance = 'line-1';

/** While `work` runs the database refuses to write this column of sessions. */
const withoutWrites = async (column: string, work: () => Promise<void>): Promise<void> => {
  const owner = new pg.Client(database.ownerUrl);
  await owner.connect();
  await owner.query(
    `create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
     create trigger refuse before update of ${column} on bot_sessions for each row execute function refuse()`,
  );
  await work();
  await owner.query('drop trigger refuse on bot_sessions');
  await owner.end();
};

const parkedPolls = (n: number) => expect.poll(() => home.sessions.parked).toBe(n);

const staleResults = async (jobId: number): Promise<number> => {
  const { rows } = await database.pool.query<{ n: number }>(
    'select count(*) as n from test_results where job_id = $1 and stale',
    [jobId],
  );
  return rows[0]!.n;
};

describe('a lease in a bot’s list', () => {
  it('left out once, shown again and left out once more is not lost: only twice in a row is', async () => {
    const one = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b', { capacity: 2 });
    const lease = only(bot.created).id;
    await bot.poll([active(lease)]);
    await bot.poll([]);
    // Shown again in a call that also changes something: that must count as shown.
    await bot.poll([active(lease)], { version: '2' });
    expect(only(await bot.poll([], { version: '2' })).state).toBe('ACTIVE');
    expect(await stateOf(home, one.id)).toMatchObject({ state: 'LEASED', attempts: 1 });
  });

  it('is not left out by calls whose caller has left: they come late, and the bot has started it since', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    const signal = AbortSignal.abort();
    await Promise.all([bot.poll([], { signal }), bot.poll([], { signal }), bot.poll([], { signal })]);
    expect(only(await bot.poll([active(id)]))).toMatchObject({ id, state: 'ACTIVE' });
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'LEASED', attempts: 1 });
  });

  it('left out twice in a row is lost, whatever else those calls change', async () => {
    const one = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const lease = only(bot.created).id;
    await bot.poll([active(lease)]);
    await bot.poll([], { version: '2' });
    await bot.poll([], { version: '3' });
    expect(await leasesOf(home, one.id)).toMatchObject(['LOST', 'PENDING']);
    expect(await stateOf(home, one.id)).toMatchObject({ state: 'LEASED', attempts: 1 });
  });

  it('that ended behind its back is CANCELLED once and then left out', async () => {
    const bot = await connect(home, 'b');
    const stray = '00000000-0000-4000-8000-000000000000';
    expect((await bot.poll([active(stray)])).cancelledOnce).toEqual([stray]);
    expect((await bot.poll([active(stray)])).cancelledOnce).toEqual([]);
  });

  it('of another bot is nothing to it: neither its end nor its results count', async () => {
    const job = await enqueueJob(home, jobRequest());
    const holder = await connect(home, 'holder');
    const lease = only(holder.created).id;
    await holder.poll([active(lease)]);
    const thief = await connect(home, 'thief');
    expect((await thief.poll([done(lease)])).leases).toEqual([]);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'LEASED' });
    expect(await staleResults(job.id)).toBe(0);
  });
});

describe('a completion', () => {
  it('after the end of its lease changes nothing and is kept as stale, once, however often it is sent', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const lease = only(bot.created).id;
    await bot.poll([active(lease)]);
    await bot.poll([done(lease)]);
    const other = done(lease, { results: [testResult('probe', 'FAILED')] });
    for (let n = 0; n < 3; n += 1) expect((await bot.poll([other])).leases).toEqual([]);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', verdict: 'PASSED' });
    expect(await staleResults(job.id)).toBe(1);
    expect(home.events.filter(({ kind }) => kind === 'LATE_COMPLETION')).toHaveLength(1);
  });

  it('frees room for the next job of its route in the very reply', async () => {
    const route = { serials: mlb('U1'), route: 'line' };
    await enqueueJob(home, jobRequest({ ...route, station: 'SMT' }));
    await enqueueJob(home, jobRequest({ ...route, station: 'FAT' }));
    const bot = await connect(home, 'b', { duts: [board('U1')] });
    const first = only(bot.created);
    await bot.poll([active(first.id)]);
    const next = only(await bot.poll([done(first.id)]));
    expect([first.station, next.station]).toEqual(['SMT', 'FAT']);
  });

  it('lifts what barred the session: its DUT was the one that was busy', async () => {
    await enqueueJob(home, jobRequest());
    await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b', { capacity: 2, duts: [board('U1')] });
    const first = only(bot.created);
    await bot.poll([active(first.id)]);
    // The second job cannot run beside the first: one lease a DUT.
    await bot.poll([active(first.id)]);
    expect(only(await bot.poll([done(first.id)])).id).not.toBe(first.id);
  });
});

describe('what a bot says of itself', () => {
  it('counts from the very call that says it: no work for the labels it had before', async () => {
    const bot = await connect(home, 'b', { properties: '{"pool":["a"]}', status: 2 });
    await enqueueJob(home, jobRequest({ constraints: [{ key: 'pool', allowedValues: ['a'] }] }));
    const forB = await enqueueJob(home, jobRequest({ constraints: [{ key: 'pool', allowedValues: ['b'] }] }));
    const reply = await bot.poll([], { status: 1, properties: '{"pool":["b"]}' });
    expect(only(reply).jobId).toBe(forB.id);
  });

  it('is declared again when the database failed before it was written', async () => {
    const bot = await connect(home, 'b');
    // The look-up of the DUT is committed, the write behind it is not.
    await withoutWrites('device_ids', () => expect(bot.poll([], { duts: [board('U7')] })).rejects.toThrow('no'));
    const job = await enqueueJob(home, jobRequest({ serials: mlb('U7') }));
    expect(only(await bot.poll([], { duts: [board('U7')] })).jobId).toBe(job.id);
  });

  it.each([0, 2, 3, 4, 5, 6, 42])('status %i gets no work', async (status) => {
    await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b', { status });
    expect(bot.created.leases).toEqual([]);
    // One that terminates ends its session with this call, so it is the last.
    expect((await bot.poll()).leases).toEqual([]);
  });

  it.each([
    [0, 0],
    [3, 3],
  ])('capacity %i is given %i leases', async (capacity, given) => {
    for (let n = 0; n < 5; n += 1) await enqueueJob(home, jobRequest());
    expect((await connect(home, 'b', { capacity })).created.leases).toHaveLength(given);
  });

  it('a capacity that shrinks takes nothing away and gives nothing new', async () => {
    for (let n = 0; n < 3; n += 1) await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b', { capacity: 2 });
    const [one, two] = bot.created.leases.map(({ id }) => id);
    expect((await bot.poll([active(one!), active(two!)], { capacity: 1 })).leases).toHaveLength(2);
    expect(await database.doctor()).toEqual([]);
    expect((await bot.poll([done(one!), active(two!)], { capacity: 1 })).leases.map(({ id }) => id)).toEqual([two]);
  });
});

describe('room', () => {
  it('is what the database has: leases of a commit whose answer was lost count, and are found', async () => {
    for (let n = 0; n < 3; n += 1) await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b', { capacity: 2 });
    const session = home.sessions.byName.get(bot.name)!;
    // As if the answer to the grants had been lost on its way.
    session.leases = new Map();
    expect((await bot.poll()).leases.map(({ id }) => id)).toEqual(bot.created.leases.map(({ id }) => id));
  });

  it('is not trusted after a write that failed: the session is read again', async () => {
    await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b', { status: 2 });
    await withoutWrites('status', () => expect(bot.poll([], { status: 1 })).rejects.toThrow('no'));
    expect(home.sessions.byName.has(bot.name)).toBe(false);
    expect((await bot.poll([], { status: 1 })).leases).toHaveLength(1);
  });
});

describe('a parked poll', () => {
  it('is ended by a newer call, also by one that comes before it is parked', async () => {
    const bot = await connect(home, 'b');
    const ended: string[] = [];
    const polls = ['one', 'two', 'three'].map((which) => bot.park().then(() => ended.push(which)));
    await Promise.all(polls.slice(0, 2));
    expect(ended).toEqual(['one', 'two']);
    home.sessions.byName.get(bot.name)!.parked!.end('time');
    await polls[2];
    expect(home.sessions.parked).toBe(0);
  });

  it('is given what is enqueued, and only one of two bots is', async () => {
    const bots = [await connect(home, 'a'), await connect(home, 'b')];
    const polls = bots.map((bot) => bot.park());
    await parkedPolls(2);
    const job = await enqueueJob(home, jobRequest());
    const first = await Promise.race(polls);
    expect(only(first).jobId).toBe(job.id);
    for (const session of home.sessions.byName.values()) session.parked?.end('time');
    expect((await Promise.all(polls)).flatMap(({ leases }) => leases)).toHaveLength(1);
  });

  it('of a client that has gone is given nothing', async () => {
    const bot = await connect(home, 'b');
    const client = new AbortController();
    const poll = bot.park([], { signal: client.signal });
    await parkedPolls(1);
    client.abort();
    await poll;
    const job = await enqueueJob(home, jobRequest());
    await home.settled();
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'QUEUED' });
  });

  it('beyond the most that may be parked is answered at the pace of the others', async () => {
    const full = openTestHome({ database, clock, limits: { poll: { parkedMax: 1 } } });
    const parked = (await connect(full, 'first')).park();
    await expect.poll(() => full.sessions.parked).toBe(1);
    const second = (await connect(full, 'second')).park();
    await clock.untilSleepOf(1_000 / full.limits.poll.repliesPerSecondMax);
    await clock.advance(1_000);
    expect((await second).leases).toEqual([]);
    expect(full.sessions.parked).toBe(1);
    full.sessions.byBot.forEach((session) => session.parked?.end('shutdown'));
    await parked;
  });

  it('is not begun by a session that was replaced meanwhile', async () => {
    const bot = await connect(home, 'b');
    const [poll] = await Promise.allSettled([bot.park([], { version: '2' }), connect(home, 'b')]);
    expect(home.sessions.parked).toBe(0);
    expect(poll.status === 'fulfilled' || (poll.reason as Error).message.includes('replaced')).toBe(true);
  });
});

describe('work that one bot refused', () => {
  it('goes to the next one, though the one that refused stands before it and waits too', async () => {
    const refuses = await connect(home, 'refuses');
    const takes = await connect(home, 'takes');
    const next = takes.park();
    await parkedPolls(1);
    // Until both wait, the other one must not be asked.
    home.sessions.byName.get(takes.name)!.barredUntilMs = 1_000;
    const job = await enqueueJob(home, jobRequest());
    const { id } = only(await refuses.park());
    await refuses.poll([done(id, { code: 9, message: 'no fixture', results: [] })]);
    const waits = refuses.park();
    await parkedPolls(2);
    await clock.advance(1_000);
    // As any tick would.
    await tickOnce(home, { lastMs: 0 });
    expect(only(await next).jobId).toBe(job.id);
    home.sessions.byName.get(refuses.name)!.parked!.end('time');
    await waits;
  });
});

describe('a bot that leaves', () => {
  it('hands back what it has not started, uncounted, and its session ends', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const lease = only(bot.created).id;
    await bot.poll([pending(lease)], { status: 4 });
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'QUEUED', attempts: 0 });
    await expect(bot.poll([], { status: 4 })).rejects.toMatchObject({ kind: 'SESSION_CLOSED' });
  });

  it('keeps its session while the database knows of a lease that this replica does not', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    home.sessions.byName.get(bot.name)!.leases = new Map();
    const reply = await bot.poll([], { status: 4 });
    expect(only(reply).jobId).toBe(job.id);
    await bot.poll([pending(only(reply).id)], { status: 4 });
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'QUEUED' });
  });
});

describe('a cancel', () => {
  it('is shown until it is acknowledged, by any of three ways', async () => {
    for (const acknowledge of [(id: string) => [done(id)], (id: string) => [cancelled(id)], () => []]) {
      const job = await enqueueJob(home, jobRequest());
      const bot = await connect(home, 'b');
      const { id } = only(bot.created);
      await bot.poll([active(id)]);
      await cancelJob(home, { instance, id: job.id, reason: 'by hand' });
      for (let n = 0; n < 2; n += 1) expect(only(await bot.poll([active(id)])).state).toBe('CANCELLING');
      expect((await bot.poll(acknowledge(id))).leases).toEqual([]);
      expect(await stateOf(home, job.id)).toMatchObject({ state: 'CANCELLED', reason: 'by hand' });
    }
  });

  it('committed before the completion wins, and the result is kept as stale', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    await cancelJob(home, { instance, id: job.id, reason: '' });
    await bot.poll([done(id)]);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'CANCELLED', verdict: null });
    expect(await staleResults(job.id)).toBe(1);
  });

  it('committed after the completion is told that it is too late', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([done(id)]);
    const late = cancelJob(home, { instance, id: job.id, reason: '' });
    await expect(late).rejects.toMatchObject({ reason: 'ALREADY_FINISHED' });
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', verdict: 'PASSED' });
  });

  it('against a completion at the same moment: one of them wins, never both and never neither', async () => {
    for (let n = 0; n < 8; n += 1) {
      const job = await enqueueJob(home, jobRequest());
      const bot = await connect(home, `b${n}`);
      const { id } = only(bot.created);
      await bot.poll([active(id)]);
      const [cancel] = await Promise.allSettled([
        cancelJob(home, { instance, id: job.id, reason: '' }),
        bot.poll([done(id)]),
      ]);
      const { state, verdict } = await stateOf(home, job.id);
      expect([state, verdict]).toEqual(cancel.status === 'fulfilled' ? ['CANCELLED', null] : ['FINISHED', 'PASSED']);
    }
  });
});
