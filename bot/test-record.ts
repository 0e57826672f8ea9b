import type { Attachment, Measurement, TestResult } from '../src/gen/stationgrid/v1/work.ts';
import { TestStatus } from '../src/gen/stationgrid/v1/work.ts';
import type { Clock } from './clock.ts';
import type { Limits } from './limits.ts';
import { createLogTail, headOf, type LogTail } from './text.ts';
import { toDuration, toTimestamp } from './time-on-the-wire.ts';

/** How a test can end, in the words of the Shopfloor Service API. */
export type Outcome = 'PASSED' | 'FAILED' | 'SKIPPED' | 'FAILED_AND_WAIVED';
export type Ending = { readonly status: Outcome; readonly errorMessage: string };

export type MeasurementLimits = { readonly unit?: string; readonly min?: number; readonly max?: number };

/** What a running test has told so far. */
export type TestRecord = {
  readonly measure: (name: string, value: number | string, limits?: MeasurementLimits) => void;
  readonly attach: (attachment: Attachment) => void;
  readonly log: (line: string) => void;
  /** A measurement outside its limits turns PASSED into FAILED: the numbers outrank the word. */
  readonly toResult: (ending: Ending) => TestResult;
};

/** `stationLog` gets every line too. */
export function createTestRecord(testId: string, clock: Clock, limits: Limits, stationLog: LogTail): TestRecord {
  const startTime = toTimestamp(clock.now());
  const startedMs = clock.monotonicMs();
  const measurements: Measurement[] = [];
  const attachments: Attachment[] = [];
  const faults: string[] = [];
  const testLog = createLogTail({ bytesMax: limits.testLogBytesMax, lineBytesMax: limits.lineBytesMax });
  const log = (line: string): void => {
    testLog.add(line);
    stationLog.add(line);
  };

  return {
    log,
    measure: (name, value, bounds = {}) => {
      const fault = faultOf(name, value, bounds);
      if (fault !== null && faults.length < limits.measurementsMax) faults.push(fault);
      if (measurements.length < limits.measurementsMax) {
        measurements.push(toMeasurement(headOf(name, limits.nameBytesMax), value, bounds, fault === null, limits));
      } else if (measurements.length === limits.measurementsMax) {
        log(`More than ${limits.measurementsMax} measurements: the rest is judged, but not kept.`);
      }
    },
    attach: (attachment) => {
      if (attachments.length < limits.attachmentsMax) attachments.push(attachment);
      else log(`More than ${limits.attachmentsMax} attachments: ${attachment.name} is not kept.`);
    },
    toResult: ({ status, errorMessage }) => {
      const judged = status === 'PASSED' && faults.length > 0 ? 'FAILED' : status;
      const words = errorMessage !== '' || judged !== 'FAILED' ? errorMessage : faults.join('; ');
      return {
        testId,
        status: TestStatus[judged],
        errorMessage: headOf(words, limits.messageBytesMax),
        measurements,
        attachments,
        startTime,
        duration: toDuration(clock.monotonicMs() - startedMs),
        logsTail: testLog.text(),
      };
    },
  };
}

/** Why a value does not pass; null when it does. Text has no limits to break, and a value that is no number passes none. */
function faultOf(name: string, value: number | string, { unit, min, max }: MeasurementLimits): string | null {
  if (typeof value === 'string') return null;
  const shown = `${name} ${value}${unit === undefined ? '' : ` ${unit}`}`;
  if (!Number.isFinite(value)) return `${shown} is no number`;
  if (min !== undefined && value < min) return `${shown} is below its minimum ${min}`;
  if (max !== undefined && value > max) return `${shown} is above its maximum ${max}`;
  return null;
}

const toMeasurement = (
  name: string,
  value: number | string,
  { unit, min, max }: MeasurementLimits,
  passed: boolean,
  limits: Limits,
): Measurement => ({
  name,
  value:
    typeof value === 'number'
      ? { $case: 'number', value }
      : { $case: 'text', value: headOf(value, limits.messageBytesMax) },
  unit: headOf(unit ?? '', limits.nameBytesMax),
  min,
  max,
  verdict: passed ? TestStatus.PASSED : TestStatus.FAILED,
});
