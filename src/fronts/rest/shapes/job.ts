/** Jobs as they are shown. */
import { z } from 'zod';
import type { NotRunning } from '../../../core/explain-facts.ts';
import type { FailureCause, HeldBy, JobState } from '../../../core/job.ts';
import { farmEventKind } from './event.ts';
import { testResult, verdict } from './result.ts';
import { any, at, count, nextPageToken, number, seconds, serials, type Words } from './words.ts';

export const jobState = z.enum({
  QUEUED: 'QUEUED',
  LEASED: 'LEASED',
  CANCELLING: 'CANCELLING',
  FINISHED: 'FINISHED',
  FAILED: 'FAILED',
  CANCELLED: 'CANCELLED',
} satisfies Words<JobState>);

export const heldBy = z.enum({
  ROUTE: 'ROUTE',
  ROUTE_STOPPED: 'ROUTE_STOPPED',
  GATE_TURN: 'GATE_TURN',
  GATE: 'GATE',
  GATE_REFUSED: 'GATE_REFUSED',
  DEVICE: 'DEVICE',
  ACTION: 'ACTION',
} satisfies Words<HeldBy>);

export const failure = z.enum({
  LOST: 'LOST',
  ERROR: 'ERROR',
  REFUSED: 'REFUSED',
  QUEUE_TIMEOUT: 'QUEUE_TIMEOUT',
  MATCH_TIMEOUT: 'MATCH_TIMEOUT',
  EXECUTION_TIMEOUT: 'EXECUTION_TIMEOUT',
  EXPIRED: 'EXPIRED',
} satisfies Words<FailureCause>);

const test = z.strictObject({
  testId: z.string(),
  command: z
    .strictObject({ argv: z.array(z.string()), env: z.record(z.string(), z.string()), workingDirectory: z.string() })
    .optional(),
  handler: z.string().optional(),
  args: z.record(z.string(), z.unknown()).nullable(),
  timeout: seconds.nullable(),
});

export const job = z
  .strictObject({
    id: number,
    instance: z.string(),
    requestId: z.string(),
    station: z.string().describe('Empty for foreign work.'),
    work: z
      .strictObject({ station: z.string(), tests: z.array(test), executionTimeout: seconds.nullable() })
      .optional()
      .describe("A station's work; a job has either this or `payload`."),
    payload: any.optional(),
    executionTimeout: seconds.nullable().optional().describe('Of a job with `payload`.'),
    constraints: z.array(z.strictObject({ key: z.string(), allowedValues: z.array(z.string()) })),
    deviceId: number.nullable().describe('The DUT it is pinned to.'),
    serials,
    requestedBotId: z.string().nullable(),
    priority: z.number().int(),
    route: z.string().nullable(),
    onFailed: z.enum(['stop', 'continue']),
    attemptsMax: count,
    queueTimeout: seconds.nullable(),
    expiresAt: at.nullable(),
    reservation: z.string().nullable(),
    state: jobState,
    heldBy: heldBy.nullable().describe('Why a QUEUED job is not runnable; null: it is.'),
    heldReason: z.string().nullable(),
    attempts: count.describe('Attempts that became ACTIVE.'),
    avoidedBots: z.array(z.string()),
    verdict: verdict.nullable(),
    failure: failure.nullable(),
    leaseCode: z.number().int().nullable().describe('google.rpc.Code of the lease that ended it with an error.'),
    reason: z.string().nullable(),
    result: any.nullable().describe('What a foreign worker answered.'),
    botId: z.string().nullable().describe('The bot that has it or had it last.'),
    leaseId: z.uuid().nullable(),
    enqueuedAt: at,
    startedAt: at.nullable(),
    endedAt: at.nullable(),
    results: z
      .array(testResult)
      .optional()
      .describe('Those that count of its last attempt, where one job is shown: the first 1 MiB of them.'),
    resultsLeftOut: count.optional().describe('How many more there are: `/jobs/{id}/results` shows all.'),
  })
  .meta({ id: 'Job', description: 'One station to be run once.' });

export const jobs = z.strictObject({ jobs: z.array(job) });
export const jobPage = jobs.extend({ nextPageToken }).meta({ id: 'JobPage', description: 'Jobs, the newest first.' });
/** Of a batch, in the order that was asked. */
export const enqueued = z.union([job, jobs]);

export const jobWatched = z
  .strictObject({
    event: farmEventKind.nullable().describe('Null: the job as it is, when the watch began.'),
    cursor: z.string().describe('Resumes after this, on any replica.'),
    job,
  })
  .meta({ id: 'JobWatched', description: 'A job, and what happened to it.' });

export const notRunning = z.enum({
  RUNNABLE: 'RUNNABLE',
  HELD: 'HELD',
  NO_SUCH_BOT: 'NO_SUCH_BOT',
  ALL_BUSY: 'ALL_BUSY',
  NOT_READY: 'NOT_READY',
  DRAINED: 'DRAINED',
  DUT_BUSY: 'DUT_BUSY',
  DUT_ABSENT: 'DUT_ABSENT',
  DUT_SETTLING: 'DUT_SETTLING',
  DUT_ASKED: 'DUT_ASKED',
  BOT_AVOIDED: 'BOT_AVOIDED',
  RUNNING: 'RUNNING',
  ENDED: 'ENDED',
} satisfies Words<NotRunning>);

const explanationKeys = {
  code: notRunning,
  words: z.string().describe('Why, for people.'),
  candidates: z.array(z.strictObject({ botId: z.string(), whyNot: z.string() })),
};
export const explanation = z
  .strictObject(explanationKeys)
  .meta({ id: 'Explanation', description: 'Why a job is not running.' });

export const stationCheck = z
  .strictObject({
    ...explanationKeys,
    mayRun: z.boolean(),
    deviceId: number,
    jobId: number.nullable().describe("The DUT's open job of the station; null: the answer is for one that would be."),
  })
  .meta({ id: 'StationCheck', description: 'Whether a DUT may run a station now.' });
