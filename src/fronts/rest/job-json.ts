/** Jobs in JSON: one shape for those that are asked for and those that are shown. */
import { z } from 'zod';
import type { JobRequest } from '../../core/job-request.ts';
import type { StationWork, Test } from '../../core/station-work.ts';
import type { Task } from '../../core/task.ts';
import type { JobView } from '../../farm/job-view.ts';
import { duration, durationText } from './durations.ts';
import { resultJson } from './results-json.ts';

const testSchema = z.strictObject({
  testId: z.string(),
  command: z
    .strictObject({
      argv: z.array(z.string()),
      env: z.record(z.string(), z.string()).default({}),
      workingDirectory: z.string().default(''),
    })
    .optional(),
  handler: z.string().optional(),
  args: z.record(z.string(), z.unknown()).nullable().default(null),
  timeout: duration().nullable().default(null),
});

const payloadSchema = z.strictObject({ typeUrl: z.string(), value: z.base64() });

const jobKeys = {
  requestId: z.string().nullable().default(null),
  station: z.string().default(''),
  work: z
    .strictObject({
      station: z.string().optional(),
      tests: z.array(testSchema),
      executionTimeout: duration().nullable().default(null),
    })
    .optional(),
  payload: payloadSchema.optional(),
  serials: z.record(z.string(), z.string()).default({}),
  constraints: z.array(z.strictObject({ key: z.string(), allowedValues: z.array(z.string()) })).default([]),
  requestedBotId: z.string().nullable().default(null),
  priority: z.number().int().default(0),
  route: z.string().nullable().default(null),
  onFailed: z.enum(['stop', 'continue']).default('stop'),
  attemptsMax: z.number().int().nullable().default(null),
  queueTimeout: duration().nullable().default(null),
};

export const jobSchema = z
  .strictObject(jobKeys)
  .refine(({ work, payload }) => (work === undefined) !== (payload === undefined), {
    error: 'say what to run: either `work` for a station or `payload` for anything else',
  })
  .refine(
    ({ work }) => work?.tests.every(({ command, handler }) => command === undefined || handler === undefined) !== false,
    {
      error: 'a test is run either by its `command` or by its `handler`',
      path: ['work', 'tests'],
    },
  )
  .meta({ id: 'JobRequest', description: 'What to run: either `work` for a station or `payload` for anything else.' });

type AskedJob = z.output<typeof jobSchema>;

export const jobRequestOf = (instance: string, job: AskedJob): JobRequest => {
  const { work, payload, queueTimeout, station, ...asked } = job;
  return {
    ...asked,
    instance,
    station: station === '' ? (work?.station ?? '') : station,
    task: taskOf(station, { work, payload }),
    queueTimeoutMs: queueTimeout,
    matchTimeoutMs: null,
    executionTimeoutMs: work?.executionTimeout ?? null,
    expiresAt: null,
    reservation: null,
  };
};

const taskOf = (station: string, { work, payload }: Pick<AskedJob, 'work' | 'payload'>): Task => {
  if (work !== undefined) {
    return { kind: 'work', work: { station: work.station ?? station, tests: work.tests.map(testOf) } };
  }
  return { kind: 'foreign', typeUrl: payload?.typeUrl ?? '', value: Buffer.from(payload?.value ?? '', 'base64') };
};

const testOf = ({ testId, command, handler, args, timeout }: z.output<typeof testSchema>): Test => ({
  testId,
  run:
    command !== undefined
      ? { kind: 'command', ...command }
      : handler === undefined
        ? null
        : { kind: 'handler', name: handler },
  args,
  timeoutMs: timeout,
});

export const jobJson = (job: JobView) => {
  const { task, result, results, resultsLeftOut, queueTimeoutMs, executionTimeoutMs, reservation, lease, ...plain } =
    job;
  return {
    ...plain,
    ...(task.kind === 'work'
      ? { work: { ...workJson(task.work), executionTimeout: durationText(executionTimeoutMs) } }
      : { payload: anyJson(task), executionTimeout: durationText(executionTimeoutMs) }),
    queueTimeout: durationText(queueTimeoutMs),
    reservation: reservation?.name ?? null,
    leaseId: lease?.id ?? null,
    result: result === null ? null : anyJson(result),
    ...(results === null ? {} : { results: results.map(resultJson), resultsLeftOut }),
  };
};

const workJson = ({ station, tests }: StationWork) => ({ station, tests: tests.map(testJson) });

const testJson = ({ testId, run, args, timeoutMs }: Test) => ({
  testId,
  ...(run === null ? {} : run.kind === 'handler' ? { handler: run.name } : { command: commandJson(run) }),
  args,
  timeout: durationText(timeoutMs),
});

const commandJson = ({ argv, env, workingDirectory }: Test['run'] & { readonly kind: 'command' }) => ({
  argv,
  env,
  workingDirectory,
});

const anyJson = ({ typeUrl, value }: { readonly typeUrl: string; readonly value: Uint8Array }) => ({
  typeUrl,
  value: Buffer.from(value).toString('base64'),
});
