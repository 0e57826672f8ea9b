/** From an event of Testlog on the wire to what the farm takes. Registration codes stay behind: both are kept, and shown. */
import { fitResults } from '../../core/fit-results.ts';
import { resultBytes } from '../../core/result-room.ts';
import type { Limits } from '../../core/limits.ts';
import type { Measurement, TestResult } from '../../core/test-result.ts';
import { type KeptAttachments, storable, type ToldEvent } from '../../core/testlog.ts';
import { bytesOf, checkName } from '../../core/text.ts';
import { redact, redactNamed, redactText } from '../../wire/redact.ts';
import type { TestlogEvent, TestRun } from '../../wire/testlog.ts';

/** @throws Refusal INVALID for names that are too long to be kept. */
export const toToldEvent = (event: TestlogEvent, attachments: KeptAttachments, limits: Limits): ToldEvent => {
  const { nameBytesMax } = limits.text;
  checkName('The uuid', event.uuid, nameBytesMax);
  const testRunId = 'testRunId' in event ? (event.testRunId ?? null) : null;
  if (testRunId !== null) checkName('The testRunId', testRunId, nameBytesMax);
  const serials = 'serialNumbers' in event ? serialsOf(event.serialNumbers ?? {}, nameBytesMax) : [];
  return {
    type: event.type,
    uuid: event.uuid,
    seq: event.seq ?? null,
    dutTime: event.time,
    serials,
    testRunId,
    run: event.type === 'station.test_run' ? toRun(event, attachments, limits) : null,
    event: toFields(redact(storable(event))),
    attachments,
  };
};

/** They are named as device data names them, in one order. */
const serialsOf = (serials: Readonly<Record<string, string | null>>, bytesMax: number): ToldEvent['serials'] =>
  Object.entries(serials)
    .flatMap(([name, value]) => (value === null || value === '' ? [] : [{ name: `serials.${name}`, value }]))
    .map((serial) => {
      checkName("A serial's name", serial.name, bytesMax);
      checkName('A serial', serial.value, bytesMax);
      return serial;
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));

const toRun = (run: TestRun, attachments: KeptAttachments, limits: Limits): ToldEvent['run'] => {
  const { testRunId, testName, testType, status, startTime, endTime, duration } = run;
  checkName('The testName', testName, limits.text.nameBytesMax);
  return {
    testRunId,
    testName,
    testType: String(storable(testType)),
    status,
    startedAt: startTime,
    endedAt: endTime ?? null,
    durationS: duration ?? null,
    result: toResult(run, attachments, limits),
  };
};

/** Null: it goes on, or nobody knows how it ended. A waived failure is a PASS here, as DUTs tell it. */
const toResult = (run: TestRun, kept: KeptAttachments, limits: Limits): TestResult | null => {
  if (run.status !== 'PASS' && run.status !== 'FAIL') return null;
  const { attachmentsMax, measurementsMax } = limits.jobs;
  const told: TestResult = {
    testId: run.testName,
    status: run.status === 'PASS' ? 'PASSED' : 'FAILED',
    errorMessage: redactText((run.failures ?? []).map(({ details }) => details).join('\n')),
    // What is beyond what a result can have is in the event.
    measurements: measurementsOf(run.parameters ?? {}).slice(0, measurementsMax),
    attachments: Object.entries(kept)
      .slice(0, attachmentsMax)
      .map(([name, { bytes, sha256 }]) => ({
        name,
        sizeBytes: bytes,
        sha256,
        mediaType: run.attachments?.[name]?.mimeType ?? '',
      })),
    startedAt: isoOf(run.startTime),
    durationMs: run.duration === undefined ? null : Math.max(0, Math.round(run.duration * 1000)),
    logsTail: '',
  };
  const anySize = { ...limits, jobs: { ...limits.jobs, resultBytesMax: Infinity } };
  const [result] = fitResults([told], anySize);
  return result === undefined ? null : withRoom(result, limits.jobs.resultBytesMax);
};

/** With as many of its measurements as make it no larger. An attachment may be a stand-in: it counts with the longest hash and size. */
const withRoom = (result: TestResult, bytesMax: number): TestResult => {
  const bare = resultBytes({ ...result, measurements: [] }) + result.attachments.length * ATTACHMENT_GROWS_MAX;
  let bytes = bare;
  const end = result.measurements.findIndex((each) => (bytes += bytesOf(JSON.stringify(each)) + 1) > bytesMax);
  return end === -1 ? result : { ...result, measurements: result.measurements.slice(0, end) };
};

/** A SHA-256 in hex, and as many digits as a number has. */
const ATTACHMENT_GROWS_MAX = 64 + 16;

const measurementsOf = (parameters: NonNullable<TestRun['parameters']>): readonly Measurement[] =>
  Object.entries(parameters).flatMap(([name, { type, data, valueUnit }]) =>
    type === 'argument'
      ? []
      : data.map((entry) => ({
          name,
          value: valueOf(name, entry.numericValue ?? entry.textValue ?? entry.serializedValue ?? null),
          unit: valueUnit ?? '',
          min: entry.expectedMinimum ?? null,
          max: entry.expectedMaximum ?? null,
          verdict: entry.status === undefined ? null : entry.status === 'PASS' ? 'PASSED' : 'FAILED',
        })),
  );

/** A number is no registration code, unless it is called one. */
const valueOf = (name: string, value: Measurement['value']): Measurement['value'] => {
  const shown = redactNamed(name, value);
  return typeof shown === 'string' ? shown : value;
};

/** Null: no date is so far away. */
const isoOf = (seconds: number): string | null => {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
};

function toFields(value: unknown): Readonly<Record<string, unknown>> {
  return value as Readonly<Record<string, unknown>>;
}
