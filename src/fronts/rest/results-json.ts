/** Test results in JSON. */
import { z } from 'zod';
import type { TestResult } from '../../core/test-result.ts';
import { duration, durationText } from './durations.ts';

const measurementSchema = z.strictObject({
  name: z.string(),
  value: z.union([z.number(), z.string()]).nullable().default(null),
  unit: z.string().default(''),
  min: z.number().nullable().default(null),
  max: z.number().nullable().default(null),
  verdict: z.enum(['PASSED', 'FAILED']).nullable().default(null),
});

const attachmentSchema = z.strictObject({
  name: z.string(),
  sizeBytes: z.number().int(),
  sha256: z.string().default(''),
  mediaType: z.string().default(''),
});

export const resultSchema = z
  .strictObject({
    testId: z.string(),
    status: z.enum(['PASSED', 'FAILED', 'SKIPPED', 'FAILED_AND_WAIVED']),
    errorMessage: z.string().default(''),
    measurements: z.array(measurementSchema).default([]),
    attachments: z.array(attachmentSchema).default([]),
    startedAt: z.iso.datetime({ offset: true }).nullable().default(null),
    duration: duration().nullable().default(null),
    logsTail: z.string().default(''),
  })
  .transform(({ duration: durationMs, ...result }): TestResult => ({ ...result, durationMs }));

export const resultJson = ({ durationMs, ...result }: TestResult) => ({
  ...result,
  duration: durationText(durationMs),
});
