/** `stationgrid job enqueue`. */
import { randomUUID } from 'node:crypto';
import { BatchEnqueueJobsRequest, Job, JobsService, OnFailed } from '../gen/stationgrid/v1/jobs.ts';
import { StationWork, Test } from '../gen/stationgrid/v1/work.ts';
import { type FarmDoor, type FarmOptions, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { commandWords } from './operands.ts';
import { printJson } from './print.ts';
import { exitCodeOf, printJob, printJobTable } from './show-job.ts';
import type { Terminal } from './terminal.ts';
import { toDuration } from './to-duration.ts';
import { waitForJobs } from './wait-for-jobs.ts';

type Named = { readonly name: string; readonly value: string };

export type EnqueueOptions = FarmOptions & {
  readonly station?: string;
  readonly serial?: Readonly<Record<string, string>>;
  readonly test?: readonly Named[];
  readonly handler?: readonly Named[];
  readonly work?: string;
  readonly constraint?: readonly Named[];
  readonly bot?: string;
  readonly priority: number;
  readonly route?: string;
  readonly onFailed?: 'stop' | 'continue';
  readonly attempts?: number;
  readonly queueTimeout?: number;
  readonly executionTimeout?: number;
  readonly requestId?: string;
  /** Absence and 1 differ in how the answer looks: one job, or a list of one. */
  readonly count?: number;
  readonly wait?: true;
  readonly timeout?: number;
};

/** The farm takes so many in one commit (BatchEnqueueJobs). */
const BATCH_MAX = 1000;

export const enqueueJobs = async (terminal: Terminal, options: EnqueueOptions): Promise<ExitCode> => {
  const job = toJob(options, await workOf(terminal, options));
  return withFarm(options, async (farm) => {
    const enqueued = await enqueueAll(farm, job, options);
    if (options.wait !== true) {
      show(terminal, enqueued, options);
      return EXIT.ok;
    }
    const ended = await waitForJobs(terminal, farm, enqueued, options.timeout);
    show(terminal, ended, options);
    return exitCodeOf(ended);
  });
};

const show = (terminal: Terminal, jobs: readonly Job[], { output, count }: EnqueueOptions): void => {
  const [first] = jobs;
  if (count === undefined && first !== undefined) printJob(terminal, first, output);
  else if (output === 'json')
    printJson(
      terminal,
      jobs.map((job) => Job.toJSON(job)),
    );
  else printJobTable(terminal, jobs);
};

/** The file's work, if any, with what the flags say of it. */
const workOf = async (terminal: Terminal, options: EnqueueOptions): Promise<StationWork> => {
  const written = options.work === undefined ? StationWork.create() : await readFileWork(terminal, options.work);
  const station = options.station ?? written.station;
  if (station === '') {
    throw new Failure(
      EXIT.usage,
      'no station is named',
      'Name it with --station, or with `station` in the file of --work.',
    );
  }
  return {
    ...written,
    station,
    tests: [...written.tests, ...testsOf(options)],
    ...(options.executionTimeout === undefined ? {} : { executionTimeout: toDuration(options.executionTimeout) }),
  };
};

/** Its parsers are slow to load, and most have no file. */
const readFileWork = async (terminal: Terminal, path: string): Promise<StationWork> =>
  (await import('./work-file.ts')).readWork(terminal, path);

const testsOf = ({ test = [], handler = [] }: EnqueueOptions): readonly Test[] => [
  ...test.map(({ name, value }) =>
    Test.fromPartial({ testId: name, run: { $case: 'command', value: { argv: [...commandWords(value)] } } }),
  ),
  ...handler.map(({ name, value }) => Test.fromPartial({ testId: name, run: { $case: 'handler', value } })),
];

const toJob = (options: EnqueueOptions, work: StationWork): Job => ({
  ...Job.create(),
  instance: options.instance,
  station: work.station,
  task: { $case: 'work', value: work },
  serials: { ...options.serial },
  constraints: (options.constraint ?? []).map(({ name, value }) => ({ key: name, allowedValues: value.split(',') })),
  requestedBotId: options.bot ?? '',
  priority: options.priority,
  route: options.route ?? '',
  onFailed: onFailedOf[options.onFailed ?? 'unsaid'],
  attemptsMax: options.attempts ?? 0,
  queueTimeout: options.queueTimeout === undefined ? undefined : toDuration(options.queueTimeout),
});

const onFailedOf = {
  unsaid: OnFailed.ON_FAILED_UNSPECIFIED,
  stop: OnFailed.STOP,
  continue: OnFailed.CONTINUE,
} as const;

/** All jobs, in as few commits as the farm allows. Each has a request id, so that a repeat of the command is harmless. */
const enqueueAll = async (farm: FarmDoor, job: Job, options: EnqueueOptions): Promise<readonly Job[]> => {
  const { count = 1, requestId = randomUUID() } = options;
  const requests = Array.from({ length: count }, (_, index) => ({
    requestId: count === 1 ? requestId : `${requestId}-${String(index + 1)}`,
    job,
  }));
  const enqueued: Job[] = [];
  try {
    if (count === 1) return [await farm.ask(JobsService.enqueueJob, { requestId, job })];
    for (let from = 0; from < count; from += BATCH_MAX) {
      const batch = BatchEnqueueJobsRequest.create({ requests: requests.slice(from, from + BATCH_MAX) });
      enqueued.push(...(await farm.ask(JobsService.batchEnqueueJobs, batch)).jobs);
    }
    return enqueued;
  } catch (error) {
    throw repeatable(error, { requestId, enqueued: enqueued.length, count });
  }
};

/** Whether a request that was not answered was heard, nobody knows; repeating it under its id finds out. */
const repeatable = (
  error: unknown,
  { requestId, enqueued, count }: { requestId: string; enqueued: number; count: number },
): unknown => {
  if (!(error instanceof Failure) || (error.exitCode !== EXIT.unreachable && enqueued === 0)) return error;
  const sofar = enqueued === 0 ? '' : ` after ${String(enqueued)} of ${String(count)} jobs`;
  return new Failure(
    error.exitCode,
    `${error.message}${sofar}`,
    `${error.cure ?? ''} Then repeat the command with --request-id ${requestId}: nothing is enqueued twice.`.trim(),
    { cause: error },
  );
};
