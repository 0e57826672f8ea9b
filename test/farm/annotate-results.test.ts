/** Notes of people on results: who wrote what stays, and the results stay what they were. */
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { annotateResults, RESULT_NOTES_MAX } from '../../src/farm/annotate-results.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { getJob } from '../../src/farm/get-job.ts';
import { listResultNotes } from '../../src/farm/list-result-notes.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createTestFarm, type TestFarm, testLine } from '../support/farm.ts';
import { allResults, connectBot, runJob } from '../support/fleet.ts';
import { jobRequest, testWork } from '../support/job-requests.ts';

const instance = 'line-1';
let database: FreshDatabase;
let farm: TestFarm;
beforeAll(async () => {
  database = await freshDatabase();
  farm = createTestFarm({ database, lines: [testLine(), testLine({ instance: 'line-2' })] });
});
afterAll(() => database.drop());

const notesOf = async (id: number) =>
  (await listResultNotes(farm, { instance, id })).map(({ author, note }) => [author, note]);

it('stand beside the results in the order of writing, and change nothing of them', async () => {
  const { id } = await enqueueJob(farm, jobRequest({ task: { kind: 'work', work: testWork('FAT', ['a', 'b']) } }));
  await runJob(farm, await connectBot(farm, { botId: 'annotated' }), id, 'FAILED', ['a', 'b']);
  const job = { instance, id };
  const before = [await getJob(farm, job), await allResults(farm, job)];
  const first = await annotateResults(farm, { ...job, note: ' the probe was worn\n' }, 'member:ada');
  expect(first).toEqual({ at: expect.any(Date), author: 'member:ada', note: 'the probe was worn' });
  await annotateResults(farm, { ...job, note: 'changed' }, 'member:otto');
  await annotateResults(farm, { ...job, note: 'the probe was worn' }, 'member:ada');
  expect(await notesOf(id)).toEqual([
    ['member:ada', 'the probe was worn'],
    ['member:otto', 'changed'],
    ['member:ada', 'the probe was worn'],
  ]);
  expect([await getJob(farm, job), await allResults(farm, job)]).toEqual(before);
});

it('are there once when they are sent again, also at once', async () => {
  const { id } = await enqueueJob(farm, jobRequest());
  const send = (author: string) => annotateResults(farm, { instance, id, note: 'seen' }, author);
  const [one, two, three] = await Promise.all([send('member:ada'), send('member:ada'), send('member:ada')]);
  expect([two, three]).toEqual([one, one]);
  await send('member:otto');
  expect(await notesOf(id)).toEqual([
    ['member:ada', 'seen'],
    ['member:otto', 'seen'],
  ]);
});

it.each([
  ['nothing but blanks', ' \n', 'REASON_MISSING'],
  ['U+0000', 'a\0b', 'TEXT_NOT_STORABLE'],
  ['half a surrogate pair', 'a\uD800', 'TEXT_NOT_STORABLE'],
  ['more than may be kept', 'é'.repeat(1025), 'TEXT_TOO_LONG'],
])('are refused with %s', async (_what, note, reason) => {
  const { id } = await enqueueJob(farm, jobRequest());
  await expect(annotateResults(farm, { instance, id, note }, 'member:ada')).rejects.toMatchObject({ reason });
  expect(await notesOf(id)).toEqual([]);
});

it.each([
  ['in another instance', 'line-2', null],
  ['that never was', instance, 999_999_999],
  ['beyond what a number holds', instance, 2 ** 60],
])('are not taken for a job %s', async (_what, where, id) => {
  const job = { instance: where, id: id ?? (await enqueueJob(farm, jobRequest())).id };
  await expect(annotateResults(farm, { ...job, note: 'x' }, 'member:ada')).rejects.toMatchObject({
    reason: 'NO_SUCH_JOB',
  });
  await expect(listResultNotes(farm, job)).rejects.toMatchObject({ reason: 'NO_SUCH_JOB' });
});

it('are limited in number, however many write at once', async () => {
  const { id } = await enqueueJob(farm, jobRequest());
  const write = (n: number): Promise<string> =>
    annotateResults(farm, { instance, id, note: `note ${n}` }, 'member:ada').then(
      () => 'written',
      (error: unknown) => (error as { readonly reason: string }).reason,
    );
  const room = 3;
  for (let n = room; n < RESULT_NOTES_MAX; n += 1) expect(await write(n)).toBe('written');
  const ends = await Promise.all(Array.from({ length: room + 2 }, (_, n) => write(n)));
  expect(ends.filter((end) => end !== 'written')).toEqual(['TOO_MANY_NOTES', 'TOO_MANY_NOTES']);
  expect(await notesOf(id)).toHaveLength(RESULT_NOTES_MAX);
});

it.each(['update result_notes set author = $$otto$$', 'delete from result_notes', 'truncate result_notes'])(
  'cannot be changed in the database, not by its owner either: %s',
  async (statement) => {
    const { id } = await enqueueJob(farm, jobRequest());
    await annotateResults(farm, { instance, id, note: 'stays' }, 'member:ada');
    const owner = new pg.Client(database.ownerUrl);
    await owner.connect();
    await expect(owner.query(statement)).rejects.toMatchObject({ code: '42501' });
    await owner.end();
    expect(await notesOf(id)).toEqual([['member:ada', 'stays']]);
  },
);
