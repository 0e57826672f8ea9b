/** `stationgrid job …`, but for enqueue and watch. */
import {
  CancelJobRequest,
  ExplainJobRequest,
  ExplainJobResponse,
  GetJobRequest,
  Job,
  JobsService,
  JobState,
  ListJobsRequest,
  OverrideGateRequest,
  RetryGateRequest,
} from '../gen/stationgrid/v1/jobs.ts';
import { type FarmOptions, readPages, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { printFacts, printJson, printTable, sayMore } from './print.ts';
import { printJob, printJobTable } from './show-job.ts';
import type { JobStateWord } from './state-words.ts';
import type { Terminal } from './terminal.ts';

const stateOfWord: Readonly<Record<JobStateWord, JobState>> = {
  QUEUED: JobState.QUEUED,
  LEASED: JobState.LEASED,
  CANCELLING: JobState.CANCELLING,
  FINISHED: JobState.FINISHED,
  FAILED: JobState.JOB_FAILED,
  CANCELLED: JobState.CANCELLED,
};

export type ListJobsOptions = FarmOptions & {
  readonly limit: number;
  readonly state?: readonly JobStateWord[];
  readonly station?: string;
  readonly route?: string;
  readonly serial?: string;
};

export const listJobs = (terminal: Terminal, options: ListJobsOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, limit, state = [], station = '', route = '', serial = '' } = options;
    const states = state.map((word) => stateOfWord[word]);
    const { entries, hasMore } = await readPages(
      limit,
      (page) =>
        farm.ask(JobsService.listJobs, ListJobsRequest.create({ instance, states, station, route, serial, ...page })),
      (reply) => reply.jobs,
    );
    if (options.output === 'json')
      printJson(
        terminal,
        entries.map((job) => Job.toJSON(job)),
      );
    else printJobTable(terminal, entries);
    sayMore(terminal, hasMore);
    return EXIT.ok;
  });

export const getJob = (terminal: Terminal, id: bigint, options: FarmOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const job = await farm.ask(JobsService.getJob, GetJobRequest.create({ instance: options.instance, id }));
    printJob(terminal, job, options.output);
    return EXIT.ok;
  });

export type ReasonedOptions = FarmOptions & { readonly reason: string };

export const cancelJob = (terminal: Terminal, id: bigint, options: ReasonedOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, reason, output } = options;
    printJob(
      terminal,
      await farm.ask(JobsService.cancelJob, CancelJobRequest.create({ instance, id, reason })),
      output,
    );
    return EXIT.ok;
  });

export const retryGate = (terminal: Terminal, id: bigint, options: ReasonedOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, reason, output } = options;
    printJob(
      terminal,
      await farm.ask(JobsService.retryGate, RetryGateRequest.create({ instance, id, reason })),
      output,
    );
    return EXIT.ok;
  });

export const overrideGate = (terminal: Terminal, id: bigint, options: ReasonedOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, reason, output } = options;
    const request = OverrideGateRequest.create({ instance, id, reason });
    printJob(terminal, await farm.ask(JobsService.overrideGate, request), output);
    return EXIT.ok;
  });

export const explainJob = (terminal: Terminal, id: bigint, options: FarmOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const why = await farm.ask(JobsService.explainJob, ExplainJobRequest.create({ instance: options.instance, id }));
    if (options.output === 'json') {
      printJson(terminal, ExplainJobResponse.toJSON(why));
      return EXIT.ok;
    }
    printFacts(terminal, [
      ['Job', id],
      ['Why', why.code],
      ['That is', why.words],
    ]);
    if (why.candidates.length === 0) return EXIT.ok;
    terminal.print('');
    printTable(
      terminal,
      ['BOT', 'WHY NOT'],
      why.candidates.map(({ botId, whyNot }) => [botId, whyNot]),
    );
    return EXIT.ok;
  });
