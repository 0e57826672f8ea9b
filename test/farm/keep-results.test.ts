import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestResult } from '../../src/core/test-result.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { getJob } from '../../src/farm/get-job.ts';
import { listTestResults } from '../../src/farm/list-test-results.ts';
import { reportTestResults } from '../../src/farm/report-test-results.ts';
import { active, connect, done, only, openTestHome, type TestHome, testResult } from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { allResults } from '../support/fleet.ts';
import { testLine, testRule } from '../support/farm.ts';
import { jobRequest } from '../support/job-requests.ts';

let database: FreshDatabase;
let home: TestHome;
beforeEach(async () => {
  database = await freshDatabase();
  home = openTestHome({ database, limits: { jobs: { resultsMax: 4, staleResultsMax: 2 } } });
});
afterEach(async () => {
  await home.settled();
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

const instance = 'line-1';
const passed = (testId: string, logsTail = ''): TestResult => ({ ...testResult(testId, 'PASSED'), logsTail });

/** A bot that runs a job of the test `probe`. */
const running = async (on: TestHome = home) => {
  const { id } = await enqueueJob(on, jobRequest());
  const bot = await connect(on, 'b');
  const lease = only(bot.created).id;
  await bot.poll([active(lease)]);
  const report = (...results: TestResult[]) =>
    reportTestResults(on, { session: bot.name, caller: null, leaseId: lease, results });
  const outcome = () => getJob(on, { instance, id });
  return { id, bot, lease, report, outcome, kept: () => allResults(on, { instance, id }) };
};

describe('an attempt', () => {
  it('takes so many results, over however many reports, and refuses a report that would make them more', async () => {
    const { report, kept } = await running();
    expect(await report(passed('a'), passed('b'))).toMatchObject({ stored: 2 });
    await expect(report(passed('c'), passed('d'), passed('e'))).rejects.toMatchObject({
      kind: 'INVALID',
      reason: 'TOO_MANY_RESULTS',
      message: expect.stringContaining('would have 5 test results; at most 4'),
    });
    expect(await kept()).toHaveLength(2);
    // What it has said before is no more than it was.
    expect(await report(passed('a'), passed('c'), passed('d'))).toMatchObject({ stored: 2, repeated: 1 });
    expect(await kept()).toHaveLength(4);
  });

  it('takes so many bytes', async () => {
    const small = openTestHome({ database, limits: { jobs: { resultsBytesMax: 3000 } } });
    const { report, kept } = await running(small);
    expect(await report(passed('a', 'x'.repeat(2000)))).toMatchObject({ stored: 1 });
    await expect(report(passed('b', 'x'.repeat(2000)))).rejects.toMatchObject({ reason: 'RESULTS_TOO_BIG' });
    expect(await report(passed('b'))).toMatchObject({ stored: 1 });
    expect(await kept()).toHaveLength(2);
    await small.settled();
  });

  it('keeps so many contradictions, and counts the others', async () => {
    const { report, kept } = await running();
    await report(passed('probe'));
    const other = (n: number) => testResult('probe', 'FAILED', `failed ${n}`);
    expect(await report(other(1), other(2), other(3))).toMatchObject({ stored: 0, stale: 3 });
    expect(await report(other(4))).toMatchObject({ stored: 0, stale: 1 });
    expect((await kept()).map(({ stale }) => stale)).toEqual([false, true, true]);
  });

  it('ends whatever its end says: what finds no room is left out, and the farm says so', async () => {
    const { bot, lease, kept, outcome } = await running();
    const results = ['probe', 'a', 'b', 'c', 'd', 'e'].map((testId) => passed(testId));
    expect((await bot.poll([done(lease, { results })])).leases).toEqual([]);
    expect(await kept()).toHaveLength(4);
    expect(await outcome()).toMatchObject({ state: 'FINISHED', verdict: 'PASSED' });
    expect(home.events.find(({ kind }) => kind === 'LEASE_COMPLETED')?.facts).toMatchObject({ resultsLeftOut: 2 });
  });

  it.each(['FAILED', 'FAILED_AND_WAIVED'] as const)(
    'gets no better verdict when a result that %s is one too many',
    async (status) => {
      const { bot, lease, report, outcome } = await running();
      await report(passed('probe'), passed('a'), passed('b'), passed('c'));
      await bot.poll([done(lease, { results: [passed('d'), testResult('e', status), testResult('f', status)] })]);
      expect(await outcome()).toMatchObject({ verdict: 'FAILED', reason: expect.stringContaining(`e: ${status}`) });
    },
  );

  it('is FAILED by a waived failure that is none of those that count, also when one that counts stands', async () => {
    const anyStation = testRule({ waivable: new Set(['cosmetic']) });
    const waiving = openTestHome({
      database,
      lines: [testLine({ anyStation })],
      limits: { jobs: { resultsMax: 2 } },
    });
    const { bot, lease, outcome } = await running(waiving);
    const waived = (testId: string) => testResult(testId, 'FAILED_AND_WAIVED');
    await bot.poll([
      done(lease, { results: [passed('probe'), waived('cosmetic'), waived('calibration'), passed('x')] }),
    ]);
    const reason = 'calibration: FAILED_AND_WAIVED, but not waivable';
    expect(await outcome()).toMatchObject({ verdict: 'FAILED', reason });
    await waiving.settled();
  });

  it('keeps contradictions beside what counts: they take none of its room', async () => {
    const small = openTestHome({ database, limits: { jobs: { resultsBytesMax: 3000 } } });
    const { report, kept } = await running(small);
    await report(passed('probe'));
    const large = (testId: string) => ({ ...testResult(testId, 'FAILED'), logsTail: 'x'.repeat(1500) });
    expect(await report(large('probe'), large('a'))).toMatchObject({ stored: 1, stale: 1 });
    // The first of two in one report counts, and is what there must be room for.
    await expect(report(large('b'), passed('b'))).rejects.toMatchObject({ reason: 'RESULTS_TOO_BIG' });
    expect(await report(passed('b'), large('b'))).toMatchObject({ stored: 1, stale: 1 });
    expect(await kept()).toHaveLength(4);
    await small.settled();
  });

  it('takes what repeats what it has, whatever the limits have become', async () => {
    const { bot, lease, report } = await running();
    await report(passed('a'), passed('b'), passed('c'));
    await home.settled();
    const strict = openTestHome({ database, limits: { jobs: { resultsMax: 1, resultsBytesMax: 10 } } });
    const again = { session: bot.name, caller: null, leaseId: lease, results: [passed('a'), passed('b')] };
    expect(await reportTestResults(strict, again)).toMatchObject({ stored: 0, repeated: 2 });
    await strict.settled();
  });

  it('FAILS when the results of its end cannot be read, whatever was reported before', async () => {
    const { bot, lease, report, outcome } = await running();
    await report(passed('probe'));
    await bot.poll([done(lease, { results: [], unread: 'they are torn' })]);
    const reason = 'the results of its end cannot be read: they are torn';
    expect(await outcome()).toMatchObject({ verdict: 'FAILED', reason });
  });

  it('that has ended keeps so much of what comes late, and tells of nothing more', async () => {
    const { bot, lease, kept } = await running();
    await bot.poll([done(lease)]);
    const late = (n: number) => bot.poll([done(lease, { results: [testResult('probe', 'FAILED', `late ${n}`)] })]);
    for (const n of [1, 2, 3, 3, 4]) await late(n);
    expect((await kept()).map(({ result }) => result.errorMessage)).toEqual(['', 'late 1', 'late 2']);
    expect(home.events.filter(({ kind }) => kind === 'LATE_COMPLETION')).toHaveLength(2);
  });
});

describe('results are shown', () => {
  const MIB = 1024 * 1024;

  it('with a job as far as one message bears, and page by page all of them', async () => {
    const wide = openTestHome({ database });
    const { id, report, kept } = await running(wide);
    const names = Array.from({ length: 50 }, (_, n) => `t-${String(n).padStart(2, '0')}`);
    for (const name of names) await report(passed(name, 'x'.repeat(64 * 1024)));
    const job = await getJob(wide, { instance, id });
    const shown = job.results ?? [];
    expect(JSON.stringify(shown).length).toBeLessThanOrEqual(MIB);
    expect(shown.length).toBeGreaterThan(10);
    expect(shown.length + job.resultsLeftOut).toBe(names.length);
    expect(shown.map(({ testId }) => testId)).toEqual(names.slice(0, shown.length));
    const first = await listTestResults(wide, { instance, id, pageSize: 0, pageToken: '' });
    expect(JSON.stringify(first.results).length).toBeLessThan(3 * MIB);
    expect(first.results.length).toBeLessThan(names.length);
    expect((await kept()).map(({ result }) => result.testId)).toEqual(names);
    await wide.settled();
  });

  it('one by one when each is as large as a page, and in pages of the size that was asked', async () => {
    const wide = openTestHome({ database });
    const { id, report, kept } = await running(wide);
    const measurement = { name: 'm', value: 'x'.repeat(2000), unit: '', min: null, max: null, verdict: null };
    const large = (testId: string): TestResult => ({ ...passed(testId), measurements: Array(990).fill(measurement) });
    for (const name of ['a', 'b', 'c']) await report(large(name));
    const pageOf = (pageSize: number, pageToken = '') => listTestResults(wide, { instance, id, pageSize, pageToken });
    const first = await pageOf(0);
    expect(first.results.map(({ result }) => result.testId)).toEqual(['a']);
    expect((await pageOf(1, first.nextPageToken)).results.map(({ result }) => result.testId)).toEqual(['b']);
    expect(await kept()).toHaveLength(3);
    expect(await getJob(wide, { instance, id })).toMatchObject({ results: [], resultsLeftOut: 3 });
    const other = await enqueueJob(wide, jobRequest());
    const misled = listTestResults(wide, { instance, id: other.id, pageSize: 0, pageToken: first.nextPageToken });
    await expect(misled).rejects.toMatchObject({ reason: 'BAD_CURSOR' });
    await wide.settled();
  });
});
