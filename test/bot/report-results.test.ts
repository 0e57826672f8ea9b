import { expect, test } from 'vitest';
import { defaultLimits, type Limits } from '../../bot/limits.ts';
import { startResultsReport } from '../../bot/report-results.ts';
import { Measurement, TestResult, TestStatus } from '../../src/gen/stationgrid/v1/work.ts';
import { createManualClock } from '../support/manual-clock.ts';

const UNAVAILABLE = 14;
const UNIMPLEMENTED = 12;
const INVALID_ARGUMENT = 3;
const result = (testId: string, logsTail = ''): TestResult =>
  TestResult.create({ testId, status: TestStatus.PASSED, logsTail });

function startReport(limits: Partial<Limits> = {}) {
  const calls: { ids: string[]; results: readonly TestResult[]; answer: (code?: number) => void }[] = [];
  const clock = createManualClock();
  const report = startResultsReport({
    report: (results) =>
      new Promise((resolve) => {
        const reply = { stored: results.length, repeated: 0, stale: 0, fenced: false };
        const answer = (code?: number): void =>
          resolve(code === undefined ? { kind: 'answered', reply } : { kind: 'failed', code, message: '' });
        calls.push({ ids: results.map(({ testId }) => testId), results, answer });
      }),
    ...{ onFenced: () => undefined, signal: new AbortController().signal, clock, random: () => 0 },
    limits: { ...defaultLimits, ...limits },
  });
  return { report, calls, clock };
}
const ids = (results: readonly TestResult[]): string[] => results.map(({ testId }) => testId);

test('reports at once, and gathers what comes while a report is in flight', async () => {
  const { report, calls, clock } = startReport();
  for (const id of ['A', 'B', 'C']) report.add(result(id));
  calls[0]!.answer();
  await clock.advance(0);
  calls[1]!.answer();
  await clock.advance(0);
  expect(calls.map((call) => call.ids)).toEqual([['A'], ['B', 'C']]);
  expect(await report.finish()).toEqual([]);
});

test('begins again after a pause without results', async () => {
  const { report, calls, clock } = startReport();
  report.add(result('A'));
  calls[0]!.answer();
  await clock.advance(0);
  report.add(result('B'));
  expect(calls[1]!.ids).toEqual(['B']);
});

test('repeats a failed report, and a finish does not wait for it', async () => {
  const { report, calls, clock } = startReport();
  report.add(result('A'));
  calls[0]!.answer(UNAVAILABLE);
  await clock.untilSleepOf(200);
  await clock.advance(200);
  expect(calls[1]!.ids).toEqual(['A']);
  calls[1]!.answer(UNAVAILABLE);
  await clock.untilSleepOf(200);
  expect(ids(await report.finish())).toEqual(['A']);
});

test('a finish goes on reporting while there is more than a completion can carry', async () => {
  const { report, calls, clock } = startReport({ reportResultsMax: 1, completionBytesMax: 60 });
  for (const id of ['A', 'B', 'C']) report.add(result(id, 'x'.repeat(30)));
  const finished = report.finish();
  calls[0]!.answer(UNAVAILABLE);
  await clock.untilSleepOf(200);
  await clock.advance(200);
  calls[1]!.answer();
  await clock.advance(0);
  calls[2]!.answer();
  expect(ids(await finished)).toEqual(['C']);
});

test('a farm that takes no reports gets all results with the completion, without logs where they are too long', async () => {
  const { report, calls } = startReport({ completionBytesMax: 60 });
  report.add(result('A', 'x'.repeat(100)));
  calls[0]!.answer(UNIMPLEMENTED);
  expect(await report.finish()).toEqual([result('A')]);
});

const refused = async ({ calls, clock }: ReturnType<typeof startReport>, times: number): Promise<void> => {
  for (let time = 1; time <= times; time += 1) {
    calls.at(-1)!.answer(INVALID_ARGUMENT);
    await clock.untilSleepOf(200);
    await clock.advance(200);
  }
};

test('of results that the farm refuses again and again only the culprit goes without what makes it too long', async () => {
  const started = startReport({ backoffMaxMs: 200 });
  const { report, calls, clock } = started;
  report.add(result('A'));
  const measurement = Measurement.create({ name: 'm', value: { $case: 'text', value: 'x'.repeat(100) } });
  report.add({ ...result('B', 'x'.repeat(100)), measurements: [measurement] });
  report.add(result('C'));
  calls[0]!.answer();
  await clock.advance(0);
  // Together, until it is sure that it is no session that is refused; then one by one.
  await refused(started, 12);
  expect(calls.at(-1)!.ids).toEqual(['B']);
  await refused(started, 1);
  expect(calls.at(-1)!).toMatchObject({ ids: ['B'], results: [result('B')] });
  calls.at(-1)!.answer();
  await clock.advance(0);
  expect(calls.at(-1)!.ids).toEqual(['C']);
  calls.at(-1)!.answer();
  await clock.advance(0);
  expect(await report.finish()).toEqual([]);
});

test('results that the farm refuses for ever go with the completion, with nothing that makes them too long', async () => {
  const started = startReport({ backoffMaxMs: 200, completionBytesMax: 60 });
  const { report, calls } = started;
  for (const id of ['A', 'B', 'C']) report.add(result(id, 'x'.repeat(100)));
  const finished = report.finish();
  calls[0]!.answer();
  await expect.poll(() => calls.length).toBe(2);
  await refused(started, 13);
  calls.at(-1)!.answer(INVALID_ARGUMENT);
  expect(await finished).toEqual([result('B'), result('C')]);
});

test('a refusal now and then, as of a session that is gone, is no reason to give up', async () => {
  const started = startReport({ backoffMaxMs: 200 });
  const { report, calls, clock } = started;
  report.add(result('A'));
  for (let time = 0; time < 2; time += 1) {
    await refused(started, 11);
    calls.at(-1)!.answer(UNAVAILABLE);
    await clock.untilSleepOf(200);
    await clock.advance(200);
  }
  calls.at(-1)!.answer();
  await clock.advance(0);
  expect(await report.finish()).toEqual([]);
});
