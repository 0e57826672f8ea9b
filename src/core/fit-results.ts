/** Test results from outside, made fit to keep: names and numbers are refused when wrong, prose is cleaned and cut. */
import type { Limits } from './limits.ts';
import { invalid } from './refusal.ts';
import { resultBytes } from './result-room.ts';
import type { Attachment, Measurement, TestResult } from './test-result.ts';
import { checkName, checkText, storableTail, storableText } from './text.ts';

/** @throws Refusal INVALID for the first result that cannot be one. */
export const fitResults = (results: readonly TestResult[], limits: Limits): readonly TestResult[] => {
  const { resultsMax } = limits.jobs;
  if (results.length > resultsMax) {
    const words = `There are ${results.length} test results; at most ${resultsMax} may be reported at once. Send fewer.`;
    throw invalid('TOO_MANY_RESULTS', words);
  }
  return results.map((result) => fitResult(result, limits));
};

const fitResult = (result: TestResult, limits: Limits): TestResult => {
  const { testId, measurements, attachments } = result;
  checkName('The test id of a result', testId, limits.text.nameBytesMax);
  checkCount(testId, 'measurements', measurements.length, limits.jobs.measurementsMax);
  checkCount(testId, 'attachments', attachments.length, limits.jobs.attachmentsMax);
  const fit: TestResult = {
    ...result,
    durationMs: isDuration(result.durationMs) ? result.durationMs : null,
    errorMessage: storableText(result.errorMessage, limits.text.reasonBytesMax),
    measurements: measurements.map((measurement) => fitMeasurement(measurement, limits)),
    attachments: attachments.map((attachment) => checkedAttachment(attachment, limits)),
    logsTail: storableTail(result.logsTail, limits.text.logsTailBytesMax),
  };
  const bytes = resultBytes(fit);
  if (bytes <= limits.jobs.resultBytesMax) return fit;
  const words = `The result of '${testId}' has ${bytes} bytes as JSON; at most ${limits.jobs.resultBytesMax} are allowed. Send fewer measurements, or upload them and name the file.`;
  throw invalid('RESULTS_TOO_BIG', words);
};

/** As long as google.protobuf.Duration can be: ten thousand years. What is longer says nothing. */
const DURATION_MS_MAX = 315_576_000_000_000;

const isDuration = (ms: number | null): boolean => ms !== null && Math.abs(ms) <= DURATION_MS_MAX;

const checkCount = (testId: string, what: 'measurements' | 'attachments', count: number, max: number): void => {
  if (count <= max) return;
  const words = `The result of '${testId}' has ${count} ${what}; at most ${max} are allowed. Send fewer.`;
  throw invalid(`TOO_MANY_${what.toUpperCase()}`, words);
};

const fitMeasurement = (measurement: Measurement, limits: Limits): Measurement => {
  const { name, value, unit, min, max } = measurement;
  checkName('The name of a measurement', name, limits.text.nameBytesMax);
  return {
    ...measurement,
    value: fitValue(value, limits),
    unit: storableText(unit, limits.text.nameBytesMax),
    min: finiteOrNull(min),
    max: finiteOrNull(max),
  };
};

const fitValue = (value: Measurement['value'], limits: Limits): Measurement['value'] => {
  if (typeof value === 'string') return storableText(value, limits.text.reasonBytesMax);
  // JSON has no NaN and no infinity; what a gauge said is kept all the same.
  return value === null || Number.isFinite(value) ? value : String(value);
};

const finiteOrNull = (limit: number | null): number | null => (limit !== null && Number.isFinite(limit) ? limit : null);

const SHA256 = /^[0-9a-f]{64}$/;

const checkedAttachment = (attachment: Attachment, limits: Limits): Attachment => {
  const { name, sizeBytes, sha256, mediaType } = attachment;
  checkName('The name of an attachment', name, limits.text.nameBytesMax);
  checkText('The media type of an attachment', mediaType, limits.text.nameBytesMax);
  if (sha256 !== '' && !SHA256.test(sha256)) {
    throw invalid('ATTACHMENT_HASH', `The SHA-256 of '${name}' is not 64 lower-case hex digits. Send those, or none.`);
  }
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw invalid('ATTACHMENT_SIZE', `The size of '${name}' is no number of bytes. Send how many it has.`);
  }
  return attachment;
};
