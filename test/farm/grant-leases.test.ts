import { afterEach, beforeEach, expect, test } from 'vitest';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { active, board, connect, done, openTestHome, stateOf, type TestHome } from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { jobRequest, mlb, testWork } from '../support/job-requests.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

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

const KIB = 1024;

const enqueueLarge = async (bytes: number, on = home): Promise<number> => {
  const [probe] = testWork('FAT').tests;
  const tests = [{ ...probe!, args: { text: 'x'.repeat(bytes) } }];
  const { id } = await enqueueJob(on, jobRequest({ task: { kind: 'work', work: { station: 'FAT', tests } } }));
  return id;
};
const enqueueForeign = async (bytes: number): Promise<number> => {
  const task = { kind: 'foreign', typeUrl: 'example.com/scan', value: Buffer.alloc(bytes) } as const;
  return (await enqueueJob(home, jobRequest({ station: '', task }))).id;
};

test('a bot gets no more work at once than one answer can tell it, and the rest when it has room', async () => {
  const ids = [await enqueueLarge(700 * KIB), await enqueueForeign(700 * KIB), await enqueueLarge(700 * KIB)];
  const small = await enqueueLarge(10);
  const bot = await connect(home, 'b', { capacity: 4 });
  expect(bot.created.leases.map(({ jobId }) => jobId)).toEqual(ids.slice(0, 2));
  const [one, two] = bot.created.leases.map(({ id }) => id);
  // What comes after the large one does not overtake it here for ever; another bot may have either.
  expect((await bot.poll([active(one!), active(two!)])).leases).toHaveLength(2);
  await clock.advance(10_000);
  expect((await bot.poll([active(one!), active(two!)])).leases).toHaveLength(2);
  const after = await bot.poll([done(one!), active(two!)]);
  expect(after.leases.map(({ jobId }) => jobId)).toEqual([ids[1], ids[2], small]);
  expect(await stateOf(home, ids[0]!)).toMatchObject({ verdict: 'PASSED' });
});

test('work for which this bot has no room goes to the next bot', async () => {
  const ids = [await enqueueLarge(1000 * KIB), await enqueueLarge(1000 * KIB), await enqueueLarge(1000 * KIB)];
  const first = await connect(home, 'first', { capacity: 4 });
  expect(first.created.leases.map(({ jobId }) => jobId)).toEqual(ids.slice(0, 2));
  const second = await connect(home, 'second');
  expect(second.created.leases.map(({ jobId }) => jobId)).toEqual(ids.slice(2));
});

test('a bot that holds nothing gets work of any size', async () => {
  const tight = openTestHome({ database, limits: { session: { workBytesMax: 100 } } });
  await enqueueLarge(500, tight);
  await enqueueLarge(500, tight);
  const bot = await connect(tight, 'b', { capacity: 2 });
  expect(bot.created.leases).toHaveLength(1);
  await tight.settled();
});

test('what only another of its DUTs waits for is not held up by a large job', async () => {
  const duts = ['U1', 'U2', 'U3', 'U4'].map(board);
  const pinned = async (unit: string, bytes: number): Promise<number> => {
    const [probe] = testWork('FAT').tests;
    const tests = [{ ...probe!, args: { text: 'x'.repeat(bytes) } }];
    const task = { kind: 'work', work: { station: 'FAT', tests } } as const;
    return (await enqueueJob(home, jobRequest({ task, serials: mlb(unit) }))).id;
  };
  const ids = [await pinned('U1', 1020 * KIB), await pinned('U2', 1020 * KIB), await pinned('U3', 1020 * KIB)];
  const bot = await connect(home, 'b', { capacity: 8, duts });
  expect(bot.created.leases.map(({ jobId }) => jobId)).toEqual(ids.slice(0, 2));
  const small = await pinned('U4', 10);
  await clock.advance(10_000);
  const shown = bot.created.leases.map(({ id }) => active(id));
  await bot.poll(shown);
  expect((await bot.poll(shown)).leases.map(({ jobId }) => jobId)).toEqual([...ids.slice(0, 2), small]);
});
