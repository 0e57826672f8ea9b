/** What became of a unit, as it is shown. */
import { z } from 'zod';
import type { UploadKind } from '../../../core/upload.ts';
import { farmEventKind } from './event.ts';
import { device } from './fleet.ts';
import { failure, heldBy, jobState } from './job.ts';
import { leaseState } from './lease.ts';
import { note, storedResult, verdict } from './result.ts';
import { call } from './shopfloor.ts';
import { at, count, nextPageToken, number, type Words } from './words.ts';

const job = z.strictObject({
  id: number,
  instance: z.string(),
  station: z.string(),
  route: z.string().nullable(),
  state: jobState,
  heldBy: heldBy.nullable(),
  heldReason: z.string().nullable(),
  attempts: count,
  attemptsMax: count,
  verdict: verdict.nullable(),
  failure: failure.nullable(),
  reason: z.string().nullable(),
  botId: z.string().nullable(),
  enqueuedAt: at,
  startedAt: at.nullable(),
  endedAt: at.nullable(),
});

const attempt = z.strictObject({
  leaseId: z.uuid(),
  attempt: count,
  botId: z.string().nullable(),
  state: leaseState,
  startedAt: at.nullable(),
  closedAt: at.nullable(),
  closedReason: z.string().nullable(),
});

const upload = z.strictObject({
  id: z.uuid(),
  kind: z.enum({
    REPORT: 'REPORT',
    AUX_LOG: 'AUX_LOG',
    ATTACHMENT: 'ATTACHMENT',
    EVENT_LOG: 'EVENT_LOG',
    CSV: 'CSV',
  } satisfies Words<UploadKind>),
  path: z.string(),
  bytes: count,
  sha256: z.string(),
  serial: z.string().nullable(),
  stage: z.string().nullable(),
  reportName: z.string().nullable(),
});

const event = z.strictObject({ kind: farmEventKind, facts: z.record(z.string(), z.unknown()) });

const place = {
  at,
  jobId: number.nullable().describe('Null: it belongs to none.'),
  station: z.string().describe('Of that job; empty: of none.'),
};

const entry = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('JOB'), job, ...place }),
    z.strictObject({ kind: z.literal('ATTEMPT'), attempt, ...place }),
    z.strictObject({ kind: z.literal('RESULT'), result: storedResult, ...place }),
    z.strictObject({ kind: z.literal('UPLOAD'), upload, ...place }),
    z.strictObject({ kind: z.literal('CALL'), call, ...place }),
    z.strictObject({ kind: z.literal('EVENT'), event, ...place }),
    z.strictObject({ kind: z.literal('NOTE'), note, ...place }),
  ])
  .meta({ id: 'UnitEntry', description: 'Something that happened to a unit.' });

export const unit = z
  .strictObject({
    device,
    entries: z.array(entry),
    nextPageToken,
    olderLeftOut: z.boolean().describe('There is more of the unit than a history tells.'),
  })
  .meta({ id: 'Unit', description: 'What became of a unit, oldest first.' });
