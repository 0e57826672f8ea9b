import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { drainBots } from '../../src/farm/drain-bots.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { tickOnce } from '../../src/farm/tick.ts';
import { undrainBots } from '../../src/farm/undrain-bots.ts';
import { board, connect, done, only, openTestHome, stateOf, type TestHome } from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

let database: FreshDatabase;
let clock: ManualClock;
let home: TestHome;
let looks: number;
beforeEach(async () => {
  database = await freshDatabase();
  clock = createManualClock();
  looks = 0;
  home = openTestHome({ database, clock });
  // Counts the looks into the database that the feeder makes.
  const { write } = home;
  Object.assign(home, {
    write: (...given: Parameters<typeof write>) => {
      looks += 1;
      return write(...given);
    },
  });
});
afterEach(async () => {
  for (const session of home.sessions.byName.values()) session.parked?.end('shutdown');
  await home.settled();
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

const parkedPolls = (n: number) => expect.poll(() => home.sessions.parked).toBe(n);
/** Nothing is on its way any more: no write, and nobody who would begin one. */
const quiet = async (): Promise<void> => {
  for (let last = -1; last !== looks;) {
    last = looks;
    await home.settled();
    await database.pool.query('select');
    await new Promise(setImmediate);
  }
};

describe('the feeding of parked polls', () => {
  it('makes as few looks as there is work, however many wait', async () => {
    const bots = [];
    for (let n = 0; n < 20; n += 1) bots.push((await connect(home, `b${n}`)).park());
    await parkedPolls(20);
    // What may wait for each of them alone was looked for once.
    await quiet();
    looks = 0;
    // Where nobody waits; what was heard of it is told here.
    const elsewhere = openTestHome({ database, clock });
    const job = await enqueueJob(elsewhere, jobRequest());
    home.wake(elsewhere.wakes);
    expect(only(await Promise.race(bots)).jobId).toBe(job.id);
    await quiet();
    // One that took it, and one that found nothing more.
    expect(looks).toBe(2);
  });

  it('makes no look for what was given with its enqueueing', async () => {
    const poll = (await connect(home, 'b')).park();
    await connect(home, 'another').then((bot) => void bot.park());
    await parkedPolls(2);
    await quiet();
    looks = 0;
    const job = await enqueueJob(home, jobRequest());
    expect(only(await poll).jobId).toBe(job.id);
    await quiet();
    expect(looks).toBe(0);
  });

  it('rests when what is queued is for nobody here', async () => {
    const bot = await connect(home, 'b', { duts: [board('U1'), board('U2')], capacity: 2 });
    await database.pool.query(
      `update devices set settling_until = farm_now() + interval '1 hour', settling_reason = 'unclean' where id = 2`,
    );
    const poll = bot.park();
    await parkedPolls(1);
    await enqueueJob(home, jobRequest({ serials: mlb('U2') }));
    await enqueueJob(home, jobRequest({ constraints: [{ key: 'pool', allowedValues: ['x'] }] }));
    await enqueueJob(home, jobRequest({ requestedBotId: 'another' }));
    await quiet();
    looks = 0;
    await tickOnce(home, { lastMs: 0 });
    await quiet();
    expect(looks).toBeLessThanOrEqual(2);
    home.sessions.byName.get(bot.name)!.parked!.end('time');
    expect((await poll).leases).toEqual([]);
  });

  it('rests when the only bot there is has refused what is queued, and still gives it what comes later', async () => {
    const bot = await connect(home, 'b');
    await enqueueJob(home, jobRequest());
    const { id } = only(await bot.park());
    await bot.poll([done(id, { code: 3, message: 'no', results: [] })]);
    const poll = bot.park();
    await parkedPolls(1);
    await quiet();
    const before = looks;
    home.feed();
    await quiet();
    expect(looks).toBe(before);
    const next = await enqueueJob(home, jobRequest());
    expect(only(await poll).jobId).toBe(next.id);
  });

  it('gives the urgent job first, then the older one, and what nobody can take delays neither', async () => {
    const impossible = { constraints: [{ key: 'pool', allowedValues: ['x'] }], priority: -10 };
    await enqueueJob(home, jobRequest(impossible));
    const old = await enqueueJob(home, jobRequest());
    const young = await enqueueJob(home, jobRequest());
    const urgent = await enqueueJob(home, jobRequest({ priority: -1 }));
    const bot = await connect(home, 'b');
    const order: number[] = [];
    let reply = bot.created.leases.length > 0 ? bot.created : await bot.park();
    for (let n = 0; n < 3; n += 1) {
      const lease = only(reply);
      order.push(lease.jobId);
      reply = await bot.poll([done(lease.id)]);
    }
    expect(order).toEqual([urgent.id, old.id, young.id]);
  });

  it('passes over a bot that is drained, until it is not', async () => {
    const poll = (await connect(home, 'b')).park();
    await parkedPolls(1);
    await drainBots(home, { instance: 'line-1', pattern: 'b*', note: 'night shift', expiresInMs: null });
    await expect.poll(() => home.matching.drains.length).toBe(1);
    const job = await enqueueJob(home, jobRequest());
    await quiet();
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'QUEUED' });
    await undrainBots(home, { instance: 'line-1', pattern: 'b*' });
    expect(only(await poll).jobId).toBe(job.id);
  });

  it('takes a clearance that has run out for no leave to start', async () => {
    const bot = await connect(home, 'b', { duts: [board('U1')], status: 2 });
    const job = await enqueueJob(home, jobRequest({ serials: mlb('U1') }));
    await database.pool.query(`update jobs set gate_cleared_until = farm_now() - interval '1 second'`);
    expect((await bot.poll([], { status: 1 })).leases).toEqual([]);
    await database.pool.query('update jobs set gate_cleared_until = null');
    await tickOnce(home, { lastMs: 0 });
    expect(only(await bot.poll([], { status: 1 })).jobId).toBe(job.id);
  });
});
