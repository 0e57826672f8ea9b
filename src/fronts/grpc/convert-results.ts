/** Test results on the wire and in core. */
import { fitResults } from '../../core/fit-results.ts';
import type { Limits } from '../../core/limits.ts';
import { invalid } from '../../core/refusal.ts';
import type { Measurement, TestResult } from '../../core/test-result.ts';
import type { TestStatus } from '../../core/verdict.ts';
import {
  type Measurement as MeasurementMessage,
  type TestResult as TestResultMessage,
  TestStatus as TestStatusNumber,
} from '../../gen/stationgrid/v1/work.ts';
import { dateOrNull, durationOrUnset, msOf, timestampOf } from './convert-time.ts';

const numberOf: Readonly<Record<TestStatus, TestStatusNumber>> = {
  PASSED: TestStatusNumber.PASSED,
  FAILED: TestStatusNumber.FAILED,
  SKIPPED: TestStatusNumber.SKIPPED,
  FAILED_AND_WAIVED: TestStatusNumber.FAILED_AND_WAIVED,
};
const statusBy: ReadonlyMap<number, TestStatus> = new Map([
  [TestStatusNumber.PASSED, 'PASSED'],
  [TestStatusNumber.FAILED, 'FAILED'],
  [TestStatusNumber.SKIPPED, 'SKIPPED'],
  [TestStatusNumber.FAILED_AND_WAIVED, 'FAILED_AND_WAIVED'],
]);

/** @throws Refusal INVALID for the first result that cannot be one. */
export const resultsOf = (messages: readonly TestResultMessage[], limits: Limits): readonly TestResult[] =>
  fitResults(messages.map(resultOf), limits);

const resultOf = (message: TestResultMessage): TestResult => {
  const { testId, status, measurements, attachments, startTime, duration } = message;
  const known = statusBy.get(status);
  if (known === undefined) {
    const words = `The result of '${testId}' has the status ${status}. Use PASSED, FAILED, SKIPPED or FAILED_AND_WAIVED.`;
    throw invalid('RESULT_STATUS', words);
  }
  return {
    testId,
    status: known,
    errorMessage: message.errorMessage,
    measurements: measurements.map(measurementOf),
    attachments: attachments.map((attachment) => ({ ...attachment, sizeBytes: Number(attachment.sizeBytes) })),
    // By the bot's clock, which may say anything; a moment that is none is not told.
    startedAt: startTime === undefined ? null : (dateOrNull(startTime)?.toISOString() ?? null),
    durationMs: msOf(duration),
    logsTail: message.logsTail,
  };
};

const measurementOf = ({ name, value, unit, min, max, verdict }: MeasurementMessage): Measurement => {
  const judged = statusBy.get(verdict);
  return {
    name,
    value: value?.value ?? null,
    unit,
    min: min ?? null,
    max: max ?? null,
    verdict: judged === 'PASSED' || judged === 'FAILED' ? judged : null,
  };
};

export const resultMessageOf = (result: TestResult): TestResultMessage => ({
  testId: result.testId,
  status: numberOf[result.status],
  errorMessage: result.errorMessage,
  measurements: result.measurements.map(measurementMessageOf),
  attachments: result.attachments.map((attachment) => ({ ...attachment, sizeBytes: BigInt(attachment.sizeBytes) })),
  startTime: result.startedAt === null ? undefined : timestampOf(new Date(result.startedAt)),
  duration: durationOrUnset(result.durationMs),
  logsTail: result.logsTail,
});

const measurementMessageOf = ({ name, value, unit, min, max, verdict }: Measurement): MeasurementMessage => ({
  name,
  value: value === null ? undefined : typeof value === 'number' ? { $case: 'number', value } : { $case: 'text', value },
  unit,
  min: min ?? undefined,
  max: max ?? undefined,
  verdict: verdict === null ? TestStatusNumber.TEST_STATUS_UNSPECIFIED : numberOf[verdict],
});
