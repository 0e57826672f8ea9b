import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { cancelReservation } from '../../src/farm/cancel-reservation.ts';
import { createReservation, type ReservationAsked } from '../../src/farm/create-reservation.ts';
import { extendMatches } from '../../src/farm/extend-matches.ts';
import { getReservation } from '../../src/farm/get-reservation.ts';
import { findDueJobs } from '../../src/store/sweeps.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createTestFarm, type TestFarm } from '../support/farm.ts';
import { connectBot, giveJob, runJob, stepLease, type TestBot } from '../support/fleet.ts';
import { testWork } from '../support/job-requests.ts';
import { countWaiting } from '../support/rows.ts';
import { createManualClock } from '../support/manual-clock.ts';

let database: FreshDatabase;
let farm: TestFarm;
let bot: TestBot;
beforeAll(async () => {
  database = await freshDatabase();
  farm = createTestFarm({ database });
  bot = await connectBot(farm, { botId: 'reserved', capacity: 100 });
});
afterAll(() => database.drop());

const instance = 'line-1';
const named = (id: string) => ({ instance, name: `line-1/reservations/${id}` });
const asked = (id: string, changes: Partial<ReservationAsked> = {}): ReservationAsked => ({
  ...named(id),
  task: { kind: 'work', work: testWork('FAT') },
  serials: {},
  constraints: [],
  requestedBotId: null,
  priority: 0,
  expiresAt: null,
  executionTimeoutMs: null,
  queuingTimeoutMs: null,
  matchTimeoutMs: 60_000,
  groupId: 'batch-7',
  pubsub: null,
  ...changes,
});
const create = (id: string, changes: Partial<ReservationAsked> = {}) => createReservation(farm, asked(id, changes));
const never = new AbortController().signal;
const get = (id: string, waitMs = 0, where = farm) => getReservation(where, { ...named(id), waitMs, signal: never });
const cancel = (id: string, intent: 'ANY' | 'ONLY_IF_PENDING' = 'ANY') =>
  cancelReservation(farm, { ...named(id), intent });

describe('creating a reservation', () => {
  it('makes a job like any other, which remembers what it came as', async () => {
    const { name, state, status, job } = await create('made', { pubsub: { topicId: 't', publisherId: 'p' } });
    expect({ name, state, status }).toEqual({ name: 'line-1/reservations/made', state: 'PENDING', status: null });
    expect(job).toMatchObject({
      station: 'FAT',
      state: 'QUEUED',
      reservation: { groupId: 'batch-7', pubsub: { topicId: 't', publisherId: 'p' }, matchTimeoutMs: 60_000 },
    });
  });

  it.each([{ requestedBotId: '\0' }, { constraints: [{ key: 'pool', allowedValues: ['\0'] }] }])(
    'is refused with %j before anybody looks for a bot',
    async (changes) => {
      const refused = create('odd', { ...changes, matchTimeoutMs: null });
      await expect(refused).rejects.toMatchObject({ kind: 'INVALID', reason: 'TEXT_NOT_STORABLE' });
    },
  );

  it('is refused under a name that is taken, also when two are asked for at once', async () => {
    const replica = createTestFarm({ database });
    const both = await Promise.allSettled([create('taken'), createReservation(replica, asked('taken'))]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    await expect(create('taken')).rejects.toMatchObject({ kind: 'ALREADY_EXISTS', reason: 'RESERVATION_EXISTS' });
  });

  it.each(['line-1/reservations/', 'reservations/x', 'line-2/reservations/x', 'line-1/reservations/a/b', ''])(
    'is refused under the name %j',
    async (name) => {
      await expect(create('x', { name })).rejects.toMatchObject({ kind: 'INVALID', reason: 'RESERVATION_NAME' });
    },
  );

  it('is refused when no bot matches and it would not wait for one', async () => {
    const constraints = [{ key: 'label:pool', allowedValues: ['nowhere'] }];
    const refused = create('unmatched', { constraints, matchTimeoutMs: null });
    await expect(refused).rejects.toMatchObject({ kind: 'WRONG_STATE', reason: 'NO_MATCHING_BOT' });
    expect((await create('unmatched', { constraints })).state).toBe('PENDING');
  });

  it('is refused when all bots are busy and it would not wait in the queue', async () => {
    const busy = await connectBot(farm, { botId: 'busy', properties: [['pool', 'busy']] });
    const impatient = { constraints: [{ key: 'pool', allowedValues: ['busy'] }], queuingTimeoutMs: 0 };
    const { job } = await create('fits', impatient);
    await giveJob(farm, busy, job.id);
    await expect(create('does-not-fit', impatient)).rejects.toMatchObject({
      kind: 'LIMIT_REACHED',
      reason: 'ALL_BUSY',
    });
  });

  it('is refused with a bad constraint', async () => {
    const constraints = [{ key: '', allowedValues: ['x'] }];
    await expect(create('bad', { constraints })).rejects.toMatchObject({ kind: 'INVALID' });
  });
});

describe('getting a reservation', () => {
  it('waits for its end', async () => {
    const { job } = await create('awaited');
    const waiting = get('awaited', 60_000);
    await runJob(farm, bot, job.id);
    expect(await waiting).toMatchObject({ state: 'COMPLETED', status: { code: 0 }, job: { botId: 'reserved' } });
  });

  it('answers with what is when the wait is over', async () => {
    const clock = createManualClock();
    const patient = createTestFarm({ database, clock });
    await create('slow');
    const waiting = get('slow', 3_000, patient);
    await clock.untilSleepOf(3_000);
    await clock.advance(3_000);
    expect(await waiting).toMatchObject({ state: 'PENDING', status: null });
  });

  it('waits a minute at the most, looking up at every tick', async () => {
    const clock = createManualClock();
    const patient = createTestFarm({ database, clock, limits: { replica: { tickMs: 45_000 } } });
    await create('slower');
    const waiting = get('slower', 3_600_000, patient);
    await clock.untilSleepOf(45_000);
    await clock.advance(45_000);
    await clock.untilSleepOf(15_000);
    await clock.advance(15_000);
    expect((await waiting).state).toBe('PENDING');
  });

  it('follows the job through its states', async () => {
    const { job } = await create('followed');
    await giveJob(farm, bot, job.id);
    expect((await get('followed')).state).toBe('ASSIGNED');
    await stepLease(farm, job.id, { event: 'SHOWN_ACTIVE' });
    expect((await get('followed')).state).toBe('ACTIVE');
    await stepLease(farm, job.id, { event: 'COMPLETED_FAILING', why: 'it would not boot' });
    expect(await get('followed')).toMatchObject({ state: 'COMPLETED', status: { message: 'it would not boot' } });
  });

  it('does not find one that was never made', async () => {
    await expect(get('never')).rejects.toMatchObject({ kind: 'NOT_FOUND' });
  });
});

describe('cancelling a reservation', () => {
  it('that is queued ends it', async () => {
    await create('queued');
    expect(await cancel('queued', 'ONLY_IF_PENDING')).toBe('CANCELED');
    expect(await get('queued')).toMatchObject({ state: 'CANCELLED', status: { code: 1 } });
    expect(await cancel('queued')).toBe('CANCELED');
  });

  it('that is assigned asks the bot, if that is meant', async () => {
    const { job } = await create('assigned');
    await giveJob(farm, bot, job.id);
    expect(await cancel('assigned', 'ONLY_IF_PENDING')).toBe('TASK_ALREADY_ASSIGNED');
    expect(await cancel('assigned')).toBe('CANCELLING');
    expect(await cancel('assigned')).toBe('CANCELLING');
    await stepLease(farm, job.id, { event: 'SHOWN_CANCELLED' });
    expect(await cancel('assigned')).toBe('CANCELED');
  });

  it('that has finished comes too late', async () => {
    const { job } = await create('finished');
    await runJob(farm, bot, job.id);
    expect(await cancel('finished')).toBe('TASK_ALREADY_FINISHED');
  });

  it('that was cancelled as a job is cancelled', async () => {
    const { job } = await create('as-job');
    await cancelJob(farm, { instance, id: job.id, reason: 'by number' });
    expect(await cancel('as-job')).toBe('CANCELED');
  });
});

describe('the match timeout of a reservation', () => {
  const deadlineAfter = async (id: string, lookedAfterMs: number): Promise<number> => {
    const { job } = await get(id);
    await database.setNow(new Date(job.enqueuedAt.getTime() + lookedAfterMs));
    await extendMatches(farm).finally(() => database.setNow(null));
    const { rows } = await database.pool.query<{ at: Date }>('select match_deadline as at from jobs where id = $1', [
      job.id,
    ]);
    return rows[0]!.at.getTime() - job.enqueuedAt.getTime();
  };
  const wanting = (value: string) => ({ constraints: [{ key: 'pool', allowedValues: [value] }] });

  it('runs on while no bot matches', async () => {
    await create('lonely', wanting('no-pool'));
    expect(await deadlineAfter('lonely', 30_000)).toBe(60_000);
  });

  it('begins anew while a bot matches, busy as it may be', async () => {
    await connectBot(farm, { botId: 'matching', capacity: 0, properties: [['pool', 'some-pool']] });
    await create('matched', wanting('some-pool'));
    expect(await deadlineAfter('matched', 30_000)).toBe(30_000 + 75_000);
    // With more than the whole timeout left there is nothing to do.
    expect(await deadlineAfter('matched', 40_000)).toBe(30_000 + 75_000);
  });

  it('begins anew for all that a bot matches, however many and whoever else looks at them just then', async () => {
    await connectBot(farm, { botId: 'popular', capacity: 0, properties: [['pool', 'popular']] });
    const all = await Promise.all(Array.from({ length: 250 }, (_, n) => create(`many-${n}`, wanting('popular'))));
    const other = await database.pool.connect();
    await other.query('begin');
    await other.query('select from jobs where id = $1 for update', [all[0]!.job.id]);
    await database.setNow(new Date(all[249]!.job.enqueuedAt.getTime() + 61_000));
    const extended = extendMatches(farm);
    await vi.waitFor(async () => expect(await countWaiting(database.pool)).toBe(1), { timeout: 30_000 });
    await other.query('commit');
    other.release();
    await extended;
    const due = (await findDueJobs(database.pool)).map(({ id }) => id);
    await database.setNow(null);
    expect(all.filter(({ job }) => due.includes(job.id))).toEqual([]);
  });
});
