/** One result of one test, free of any wire (stationgrid/v1/work.proto says it field by field). */
import type { TestStatus } from './verdict.ts';

export type Measurement = {
  readonly name: string;
  /** Null: nothing could be measured. */
  readonly value: number | string | null;
  readonly unit: string;
  readonly min: number | null;
  readonly max: number | null;
  readonly verdict: 'PASSED' | 'FAILED' | null;
};

export type Attachment = {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly mediaType: string;
};

export type TestResult = {
  readonly testId: string;
  readonly status: TestStatus;
  readonly errorMessage: string;
  readonly measurements: readonly Measurement[];
  readonly attachments: readonly Attachment[];
  /** ISO 8601, by the bot's clock; null: not said. */
  readonly startedAt: string | null;
  readonly durationMs: number | null;
  readonly logsTail: string;
};

/** What the shopfloor is told beside the status; null: nothing. */
export const detailsOf = (result: TestResult): Readonly<Record<string, unknown>> | null => {
  const measurements = result.measurements.map(({ name, value, unit, min, max, verdict }) => ({
    name,
    value,
    unit,
    min,
    max,
    status: verdict,
  }));
  if (result.errorMessage === '' && measurements.length === 0) return null;
  return {
    ...(result.errorMessage === '' ? {} : { error_message: result.errorMessage }),
    ...(measurements.length === 0 ? {} : { measurements }),
  };
};

/** Whether a repeated result says the same; times and logs may differ between two tellings of one result. */
export const saysTheSame = (a: TestResult, b: TestResult): boolean =>
  a.status === b.status &&
  a.errorMessage === b.errorMessage &&
  a.measurements.length === b.measurements.length &&
  a.measurements.every((measurement, index) => measuresTheSame(measurement, b.measurements[index]));

/** Member by member: what comes back from the database has its members in another order. */
const measuresTheSame = (a: Measurement, b: Measurement | undefined): boolean =>
  a.name === b?.name &&
  a.value === b.value &&
  a.unit === b.unit &&
  a.min === b.min &&
  a.max === b.max &&
  a.verdict === b.verdict;
