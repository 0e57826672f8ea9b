/** stationgrid.v1.Jobs: what schedulers call, and people who enqueue work. */
import { hasEnded } from '../../core/job.ts';
import { Refusal } from '../../core/refusal.ts';
import { cancelJob } from '../../farm/cancel-job.ts';
import { type EnqueueingFarm, enqueueJob, enqueueJobs } from '../../farm/enqueue-job.ts';
import { explainJob } from '../../farm/explain-job.ts';
import { getJob, type JobName } from '../../farm/get-job.ts';
import { listJobs } from '../../farm/list-jobs.ts';
import { overrideGate } from '../../farm/override-gate.ts';
import { retryGate } from '../../farm/retry-gate.ts';
import { watchJob } from '../../farm/watch-job.ts';
import type { Job, JobsService, WatchJobRequest, WatchJobResponse } from '../../gen/stationgrid/v1/jobs.ts';
import type { Call, HandlersOf } from './endpoints.ts';
import { idOf, textOrNull } from './convert-ids.ts';
import { jobMessageOf, jobRequestOf, jobStateOf } from './convert-job.ts';

const nameOf = ({ instance, id }: { readonly instance: string; readonly id: bigint }): JobName => ({
  instance,
  id: idOf('job', id),
});

const read = async (farm: EnqueueingFarm, name: JobName): Promise<Job> => jobMessageOf(await getJob(farm, name));

/** @param closing aborts when the door closes: watches end then. */
export const createJobs = (farm: EnqueueingFarm, closing: AbortSignal): HandlersOf<JobsService> => {
  const watch = createWatch(farm, closing);
  return {
    enqueueJob: async (request, { traceparent = null }) =>
      jobMessageOf(await enqueueJob(farm, jobRequestOf(request), traceparent)),
    batchEnqueueJobs: async ({ requests }, { traceparent = null }) => {
      const jobs = await enqueueJobs(farm, requests.map(jobRequestOf), traceparent);
      return { jobs: jobs.map(jobMessageOf) };
    },
    getJob: (request) => read(farm, nameOf(request)),
    listJobs: async ({ instance, states, station, route, serial, pageSize, pageToken }) => {
      const page = await listJobs(farm, {
        instance,
        states: states.map(jobStateOf),
        station: textOrNull(station),
        route: textOrNull(route),
        serial: textOrNull(serial),
        pageSize,
        pageToken,
      });
      return { jobs: page.jobs.map(jobMessageOf), nextPageToken: page.nextPageToken };
    },
    cancelJob: async (request) => {
      await cancelJob(farm, { ...nameOf(request), reason: request.reason });
      return read(farm, nameOf(request));
    },
    watchJob: watch,
    explainJob: (request) => explainJob(farm, nameOf(request)),
    retryGate: async (request) => {
      const { instance, id } = nameOf(request);
      await retryGate(farm, { instance, jobId: id, reason: request.reason });
      return read(farm, { instance, id });
    },
    overrideGate: async (request) => {
      const { instance, id } = nameOf(request);
      await overrideGate(farm, { instance, jobId: id, reason: request.reason });
      return read(farm, { instance, id });
    },
  };
};

/** A watcher costs memory for hours, so there is room for so many on one replica. */
const createWatch = (farm: EnqueueingFarm, closing: AbortSignal): HandlersOf<JobsService>['watchJob'] => {
  const { watchersMax } = farm.limits.replica;
  let watchers = 0;
  return async function* watch(
    { instance, id, cursor }: WatchJobRequest,
    { signal }: Call,
  ): AsyncGenerator<WatchJobResponse, void, void> {
    if (watchers >= watchersMax) throw tooManyWatchers(watchersMax);
    watchers += 1;
    try {
      let isOver = false;
      const asked = { ...nameOf({ instance, id }), cursor, signal: AbortSignal.any([signal, closing]) };
      for await (const seen of watchJob(farm, asked)) {
        isOver = hasEnded(seen.job.state);
        yield { job: jobMessageOf(seen.job), event: seen.event ?? '', cursor: seen.cursor };
      }
      // A stream that ends well says that the job has ended.
      if (closing.aborted && !isOver) throw leaving();
    } finally {
      watchers -= 1;
    }
  };
};

const leaving = (): Refusal =>
  new Refusal(
    'UNAVAILABLE',
    'SHUTTING_DOWN',
    'This replica is shutting down. Watch again, from the cursor of the last message: any replica can go on with it.',
  );

const tooManyWatchers = (watchersMax: number): Refusal =>
  new Refusal(
    'LIMIT_REACHED',
    'TOO_MANY_WATCHERS',
    `This replica already serves ${watchersMax} watches, which is its limit. Watch fewer jobs, or poll with GetJob.`,
  );
