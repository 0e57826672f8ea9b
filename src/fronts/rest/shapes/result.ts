/** Test results, and notes on them, as they are shown. */
import { z } from 'zod';
import type { TestStatus, Verdict } from '../../../core/verdict.ts';
import { at, count, nextPageToken, seconds, type Words } from './words.ts';

export const verdict = z.enum({ PASSED: 'PASSED', FAILED: 'FAILED' } satisfies Words<Verdict>);

export const testStatus = z.enum({
  PASSED: 'PASSED',
  FAILED: 'FAILED',
  SKIPPED: 'SKIPPED',
  FAILED_AND_WAIVED: 'FAILED_AND_WAIVED',
} satisfies Words<TestStatus>);

const measurement = z.strictObject({
  name: z.string(),
  value: z.union([z.number(), z.string()]).nullable().describe('Null: nothing could be measured.'),
  unit: z.string(),
  min: z.number().nullable(),
  max: z.number().nullable(),
  verdict: verdict.nullable(),
});

const attachment = z.strictObject({ name: z.string(), sizeBytes: count, sha256: z.string(), mediaType: z.string() });

export const testResult = z
  .strictObject({
    testId: z.string(),
    status: testStatus,
    errorMessage: z.string(),
    measurements: z.array(measurement),
    attachments: z.array(attachment),
    startedAt: z.string().nullable().describe("ISO 8601, by the bot's clock; null: not said."),
    duration: seconds.nullable(),
    logsTail: z.string(),
  })
  .meta({ id: 'TestResult', description: 'What became of one test.' });

export const storedResult = z
  .strictObject({
    attempt: count,
    leaseId: z.uuid(),
    botId: z.string(),
    stale: z
      .boolean()
      .describe('Counts for nothing: it came after a cancel was asked, or contradicted the first of its test.'),
    at,
    result: testResult,
  })
  .meta({ id: 'StoredResult', description: 'A test result, and where it came from.' });

export const note = z
  .strictObject({ at, author: z.string(), note: z.string() })
  .meta({ id: 'Note', description: "What a person wrote beside a job's results." });

export const results = z
  .strictObject({
    results: z.array(storedResult),
    notes: z.array(note).describe('Only on the first page.'),
    nextPageToken,
  })
  .meta({ id: 'Results', description: 'The results of all attempts of a job, and the notes on them.' });

export const reported = z
  .strictObject({
    stored: count,
    repeated: count,
    stale: count,
    fenced: z.boolean().describe('The lease is no longer open: nothing was stored.'),
  })
  .meta({ id: 'Reported', description: 'What became of results that were reported.' });
