/** Two replicas on one database, joined by their wakes, and bots that go from one to the other as they please. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import pg from 'pg';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { postBotEvent } from '../../src/farm/post-bot-event.ts';
import { reportTestResults } from '../../src/farm/report-test-results.ts';
import { tickOnce } from '../../src/farm/tick.ts';
import {
  active,
  board,
  connect,
  done,
  only,
  openTestHome,
  stateOf,
  type TestBot,
  type TestHome,
  testResult,
} from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createWakeHub, testLine } from '../support/farm.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { wallClock } from '../support/wall-clock.ts';

const ERROR = 2;
const INFO = 1;

const lines = [testLine({ shopfloorUrl: 'http://127.0.0.1:9/', events: new Map([['door open', 'DoorOpen']]) })];

let database: FreshDatabase;
let a: TestHome;
let b: TestHome;
beforeEach(async () => {
  database = await freshDatabase();
  const hub = createWakeHub();
  const open = () => openTestHome({ database, clock: createManualClock(), hub, lines });
  [a, b] = [open(), open()];
});
afterEach(async () => {
  await Promise.all([a.settled(), b.settled()]);
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

describe('a bot that changes replica at every call', () => {
  it('takes its unit through a route, each job leased once', async () => {
    const route = { serials: mlb('U1'), route: 'line' };
    const jobs = [];
    for (const station of ['SMT', 'FAT', 'GRT']) jobs.push(await enqueueJob(a, jobRequest({ ...route, station })));
    const bot = await connect(a, 'hops', { duts: [board('U1')] });
    let { leases } = bot.created;
    for (let n = 0; n < jobs.length; n += 1) {
      const lease = leases[0] ?? only(await bot.poll([], { at: b }));
      await bot.poll([active(lease.id)], { at: b });
      ({ leases } = await bot.poll([done(lease.id)], { at: a }));
    }
    for (const { id } of jobs) expect(await stateOf(a, id)).toMatchObject({ state: 'FINISHED', attempts: 1 });
  });

  it('is forgotten by the replica it left, at once, and its parked poll there is answered', async () => {
    const bot = await connect(a, 'hops');
    const parked = bot.park();
    await expect.poll(() => a.sessions.parked).toBe(1);
    await bot.poll([], { at: b });
    expect((await parked).leases).toEqual([]);
    await expect.poll(() => a.sessions.byName.size).toBe(0);
  });

  it('is back where it was: what was still to be written there of its former time changes nothing', async () => {
    const job = await enqueueJob(a, jobRequest());
    const bot = await connect(a, 'hops');
    const { id } = only(bot.created);
    await bot.poll([active(id)], { at: a });
    const before = a.sessions.byName.get(bot.name)!;
    await bot.poll([active(id)], { at: b });
    await bot.poll([active(id)], { at: a });
    const now = a.sessions.byName.get(bot.name)!;
    expect(now.attachEpoch).toBe(before.attachEpoch + 2);
    const givesUp = { leaseId: id, event: 'SHOWN_CANCELLED', why: 'it did once', completion: null } as const;
    // In one turn of the loop, as when both waited for a database that came back.
    const written = await Promise.all([a.write(before, { steps: [givesUp] }), a.write(now, { echoes: [id] })]);
    expect(written.map(({ kind }) => kind)).toEqual(['detached', 'written']);
    expect(await stateOf(a, job.id)).toMatchObject({ state: 'LEASED', attempts: 1 });
    expect(a.sessions.byName.get(bot.name)).toBe(now);
  });

  it('and no longer lists what it runs has lost it with the second such call, as anywhere', async () => {
    const job = await enqueueJob(a, jobRequest({ attemptsMax: 1 }));
    const bot = await connect(a, 'hops');
    const { id } = only(bot.created);
    await bot.poll([active(id)], { at: b });
    expect(only(await bot.poll([], { at: a })).state).toBe('ACTIVE');
    expect((await bot.poll([], { at: b })).leases).toEqual([]);
    expect(await stateOf(a, job.id)).toMatchObject({ state: 'FAILED', failure: 'LOST' });
  });

  it('that sends one call to both at once is answered by both', async () => {
    await enqueueJob(a, jobRequest());
    const bot = await connect(a, 'hops', { status: 2 });
    const replies = await Promise.all([bot.poll([], { at: a }), bot.poll([], { at: b }), bot.poll([], { at: b })]);
    expect(replies).toHaveLength(3);
    expect((await bot.poll([], { at: b, status: 1 })).leases).toHaveLength(1);
  });
});

describe('a replica whose memory of a session is old', () => {
  /** Hears no notice of the others. */
  const openDeaf = () => openTestHome({ database, clock: createManualClock(), lines });

  it('writes nothing by it: the call is applied afresh after a new look', async () => {
    const deaf = openDeaf();
    const bot = await connect(deaf, 'b', { status: 2 });
    const job = await enqueueJob(deaf, jobRequest());
    const { id } = only(await bot.poll([], { status: 1 }));
    await bot.poll([active(id)], { at: b });
    // `deaf` holds it for PENDING yet, and at an epoch that is over.
    expect(only(await bot.poll([active(id)])).state).toBe('ACTIVE');
    expect((await bot.poll([done(id)])).leases).toEqual([]);
    expect(await stateOf(a, job.id)).toMatchObject({ state: 'FINISHED', attempts: 1 });
  });

  it('tells no bot CANCELLED by it: a lease that it does not know may be one of another home', async () => {
    const deaf = openDeaf();
    const bot = await connect(deaf, 'b');
    await enqueueJob(b, jobRequest());
    const { id } = only(await bot.poll([], { at: b }));
    const back = await bot.poll([active(id)], { at: deaf });
    expect(back.cancelledOnce).toEqual([]);
    expect(only(back)).toMatchObject({ id, state: 'ACTIVE' });
  });

  it('stores results all the same: they are fenced by the lease, not by where they came in', async () => {
    const deaf = openDeaf();
    const bot = await connect(deaf, 'b', { duts: [board('U1')] });
    await enqueueJob(deaf, jobRequest({ serials: mlb('U1') }));
    const { id } = only(await bot.poll());
    await bot.poll([active(id)], { at: b });
    const report = { caller: null, session: bot.name, leaseId: id, results: [testResult('probe', 'PASSED')] };
    expect(await reportTestResults(deaf, report)).toEqual({ stored: 1, repeated: 0, stale: 0, fenced: false });
    expect(await reportTestResults(b, report)).toEqual({ stored: 0, repeated: 1, stale: 0, fenced: false });
    await bot.poll([done(id, { results: [] })]);
    expect(await reportTestResults(b, report)).toMatchObject({ stored: 0, fenced: true });
  });

  it('gives a parked bot no work by it', async () => {
    const deaf = openDeaf();
    const bot = await connect(deaf, 'b');
    const parked = bot.park();
    await expect.poll(() => deaf.sessions.parked).toBe(1);
    await bot.poll([], { at: b });
    const job = await enqueueJob(deaf, jobRequest());
    expect((await parked).leases).toEqual([]);
    expect(await stateOf(a, job.id)).toMatchObject({ state: 'QUEUED' });
  });
});

describe('an event that a bot posts at another replica than its home', () => {
  const post = (at: TestHome, bot: TestBot, type: number, message = 'smoke') =>
    postBotEvent(at, { session: bot.name, caller: null, type, message });

  it('moves no session: the parked poll goes on waiting', async () => {
    const bot = await connect(a, 'b');
    const parked = bot.park();
    await expect.poll(() => a.sessions.parked).toBe(1);
    await post(b, bot, INFO);
    await post(b, bot, ERROR);
    expect([a.sessions.parked, b.sessions.byName.size]).toEqual([1, 0]);
    a.sessions.byName.get(bot.name)!.parked!.end('time');
    await parked;
  });

  it('quarantines there too, before any more work is given, also to a parked poll', async () => {
    const bot = await connect(a, 'b');
    const parked = bot.park();
    await expect.poll(() => a.sessions.parked).toBe(1);
    for (let n = 0; n < 3; n += 1) await post(b, bot, ERROR);
    await expect.poll(() => a.sessions.byName.get(bot.name)!.quarantineReason).toMatch(/3 ERROR events in a row/);
    const job = await enqueueJob(b, jobRequest());
    a.sessions.byName.get(bot.name)!.parked!.end('time');
    expect((await parked).leases).toEqual([]);
    expect(await stateOf(a, job.id)).toMatchObject({ state: 'QUEUED' });
  });

  it('and errors are forgiven by an INFO, or by a lease completed at its home', async () => {
    await enqueueJob(a, jobRequest());
    const bot = await connect(a, 'b');
    const { id } = only(bot.created);
    for (const type of [ERROR, ERROR, INFO, ERROR, ERROR]) await post(b, bot, type);
    await bot.poll([active(id)]);
    await bot.poll([done(id)]);
    for (const type of [ERROR, ERROR]) await post(b, bot, type);
    const { rows } = await database.pool.query('select quarantine_reason as reason, error_events as errors from bots');
    expect(rows).toEqual([{ reason: null, errors: 2 }]);
  });

  it('means to the shopfloor what the line says, in the lane of the DUT it works on', async () => {
    await enqueueJob(a, jobRequest({ serials: mlb('U1') }));
    const bot = await connect(a, 'b', { duts: [board('U0')], capacity: 2 });
    await bot.poll([], { duts: [board('U0'), board('U1')] });
    const { id } = only(await bot.poll([], { duts: [board('U0'), board('U1')] }));
    await bot.poll([active(id)], { duts: [board('U0'), board('U1')] });
    await post(b, bot, INFO, 'door open');
    const { rows } = await database.pool.query(
      `select c.event, s.value as dut from shopfloor_calls c join device_serials s using (device_id)
       where method = 'NotifyEvent'`,
    );
    expect(rows).toEqual([{ event: 'DoorOpen', dut: 'U1' }]);
  });

  it('is refused when the session is closed or was never there', async () => {
    const bot = await connect(a, 'b');
    await connect(a, 'b');
    await expect(post(b, bot, INFO)).rejects.toMatchObject({ kind: 'SESSION_CLOSED' });
    await expect(postBotEvent(b, { session: 'line-1/x', caller: null, type: INFO, message: '' })).rejects.toMatchObject(
      {
        kind: 'SESSION_UNKNOWN',
      },
    );
  });
});

describe('what runs at once', () => {
  it('a completion and a new session of the same bot do not lock each other out', async () => {
    for (let n = 0; n < 5; n += 1) {
      const job = await enqueueJob(a, jobRequest());
      const bot = await connect(a, 'b');
      const { id } = only(bot.created);
      await bot.poll([active(id)]);
      // The clocks stand still: what PostgreSQL ends as a deadlock would wait for ever before it is tried again.
      await Promise.allSettled([bot.poll([done(id)]), connect(b, 'b', { leases: [done(id)], status: 2 })]);
      expect(await stateOf(a, job.id)).toMatchObject({ state: 'FINISHED' });
    }
  });

  it('a DUT that bots of both replicas declare has one lease at a time', async () => {
    for (let n = 0; n < 8; n += 1) await enqueueJob(a, jobRequest({ serials: mlb(`U${n % 2}`) }));
    const duts = [board('U0'), board('U1')];
    const bots = await Promise.all([connect(a, 'x', { duts, capacity: 4 }), connect(b, 'y', { duts, capacity: 4 })]);
    let held = bots.flatMap(({ created }, index) => created.leases.map(({ id }) => ({ index, id })));
    const finished = async (): Promise<number> =>
      (await database.pool.query<{ n: number }>(`select count(*)::int as n from jobs where state = 'FINISHED'`))
        .rows[0]!.n;
    // Who looks at a DUT while the other replica does gets nothing, and looks again when the tick says so.
    for (let round = 0; round < 80 && (await finished()) < 8; round += 1) {
      const replies = await Promise.all(
        bots.map((bot, index) => bot.poll(held.filter((lease) => lease.index === index).map(({ id }) => done(id)))),
      );
      held = replies.flatMap(({ leases }, index) => leases.map(({ id }) => ({ index, id })));
      if (held.length === 0) for (const home of [a, b]) await tickOnce(home, { lastMs: null });
    }
    expect(await finished()).toBe(8);
  });

  it('a grant never waits in a circle with another one', async () => {
    // Another replica leases U1 and then U0; this one must not have taken them the other way about.
    const duts = [board('U0'), board('U1')];
    // Runs, so that one which waited too long for the lock may try again.
    const here = openTestHome({ database, clock: wallClock, lines });
    const bot = await connect(here, 'x', { duts, capacity: 2 });
    await enqueueJob(here, jobRequest({ serials: mlb('U1'), priority: -1 }));
    await enqueueJob(here, jobRequest({ serials: mlb('U0') }));
    const { rows } = await database.pool.query<{ id: number }>('select id from devices order by id');
    const writer = new pg.Client(database.url);
    await writer.connect();
    await writer.query('begin');
    await writer.query('select from devices where id = $1 for update', [rows[0]!.id]);
    const poll = bot.poll();
    await expect
      .poll(async () => {
        const { rowCount } = await database.pool.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return rowCount;
      })
      .toBe(1);
    // While it waits for the first it holds nothing of the second.
    await writer.query('select from devices where id = $1 for update nowait', [rows[1]!.id]);
    await writer.query('commit');
    await writer.end();
    expect((await poll).leases.map(({ deviceId }) => deviceId)).toEqual([rows[1]!.id, rows[0]!.id]);
  });

  it('whatever bots and schedulers do in whatever order, the doctor finds nothing', async () => {
    type Step = readonly ['enqueue' | 'cancel' | 'poll' | 'create', number, number];
    const steps = fc.array(fc.tuple(fc.constantFrom('enqueue', 'cancel', 'poll', 'create'), fc.nat(2), fc.nat(5)), {
      minLength: 10,
      maxLength: 40,
    });
    let runs = 0;
    const check = async (plan: readonly Step[]): Promise<void> => {
      runs += 1;
      const bots: (TestBot & { held: readonly { readonly id: string; readonly state: string }[] })[] = [];
      const jobs: number[] = [];
      const homes = [a, b];
      const named = (which: number) => `run${runs}-bot${which}`;
      for (const [step, which, how] of plan) {
        const at = homes[how % 2]!;
        if (step === 'enqueue') jobs.push((await enqueueJob(at, jobRequest({ serials: mlb(`R${runs}U${which}`) }))).id);
        if (step === 'cancel' && jobs.length > 0) {
          await cancelJob(at, { instance: 'line-1', id: jobs[how % jobs.length]!, reason: '' }).catch(() => undefined);
        }
        const bot = bots[which];
        if (step === 'create' || bot === undefined) {
          const leases = how % 2 === 0 ? [] : (bot?.held ?? []).map(({ id }) => active(id));
          const fresh = await connect(at, named(which), { duts: [board(`R${runs}U${which}`)], leases });
          bots[which] = { ...fresh, held: fresh.created.leases };
        } else if (step === 'poll') {
          const shown = bot.held.map(({ id, state }) => (state === 'PENDING' || how < 3 ? active(id) : done(id)));
          bot.held = (await bot.poll(how === 5 ? [] : shown, { at })).leases;
        }
      }
      expect(await database.doctor()).toEqual([]);
    };
    await fc.assert(fc.asyncProperty(steps, check), { numRuns: 15, endOnFailure: true });
  });
});
