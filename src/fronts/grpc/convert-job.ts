/** Jobs on the wire and in the farm. */
import type { JobRequest } from '../../core/job-request.ts';
import type { JobState } from '../../core/job.ts';
import { invalid } from '../../core/refusal.ts';
import type { Task } from '../../core/task.ts';
import type { Verdict } from '../../core/verdict.ts';
import type { UnitJob } from '../../farm/get-unit.ts';
import type { JobView } from '../../farm/job-view.ts';
import type { Any } from '../../gen/google/protobuf/any.ts';
import {
  type EnqueueJobRequest,
  Job,
  JobState as JobStateNumber,
  OnFailed,
  Verdict as VerdictNumber,
} from '../../gen/stationgrid/v1/jobs.ts';
import { textOrNull } from './convert-ids.ts';
import { resultMessageOf } from './convert-results.ts';
import { durationOrUnset, msOf, timestampOf, timestampOrUnset } from './convert-time.ts';
import { packedWork, workMessageOf, workOf } from './convert-work.ts';

/** What the farm sets itself is ignored. @throws Refusal INVALID. */
export const jobRequestOf = ({ requestId, job }: EnqueueJobRequest): JobRequest => {
  if (job?.task === undefined) {
    throw invalid('NO_TASK', 'The request names nothing to run. Set the work of a station, or a payload.');
  }
  const { task, executionTimeoutMs } = taskOf(job.task);
  return {
    requestId: textOrNull(requestId),
    instance: job.instance,
    station: job.station === '' && task.kind === 'work' ? task.work.station : job.station,
    task,
    serials: job.serials,
    constraints: job.constraints,
    requestedBotId: textOrNull(job.requestedBotId),
    priority: job.priority,
    route: textOrNull(job.route),
    onFailed: onFailedOf(job.onFailed),
    attemptsMax: job.attemptsMax === 0 ? null : job.attemptsMax,
    queueTimeoutMs: msOf(job.queueTimeout),
    matchTimeoutMs: null,
    executionTimeoutMs,
    expiresAt: null,
    reservation: null,
  };
};

const onFailedOf = (onFailed: OnFailed): JobRequest['onFailed'] => {
  switch (onFailed) {
    case OnFailed.ON_FAILED_UNSPECIFIED:
    case OnFailed.STOP:
      return 'stop';
    case OnFailed.CONTINUE:
      return 'continue';
    default:
      throw invalid('ON_FAILED', `on_failed is ${onFailed}; it must be STOP or CONTINUE.`);
  }
};

const taskOf = (
  task: NonNullable<Job['task']>,
): { readonly task: Task; readonly executionTimeoutMs: number | null } => {
  if (task.$case === 'payload') return payloadTaskOf(task.value);
  return { task: { kind: 'work', work: workOf(task.value) }, executionTimeoutMs: msOf(task.value.executionTimeout) };
};

/** Station work that comes as a payload is station work all the same. */
export const payloadTaskOf = (
  payload: Any,
): { readonly task: Task; readonly executionTimeoutMs: number | null; readonly serials: Record<string, string> } => {
  const work = packedWork(payload);
  if (work === null) return { task: { kind: 'foreign', ...payload }, executionTimeoutMs: null, serials: {} };
  const { serials } = work;
  return { task: { kind: 'work', work: workOf(work) }, executionTimeoutMs: msOf(work.executionTimeout), serials };
};

const numberOfState: Readonly<Record<JobState, JobStateNumber>> = {
  QUEUED: JobStateNumber.QUEUED,
  LEASED: JobStateNumber.LEASED,
  CANCELLING: JobStateNumber.CANCELLING,
  FINISHED: JobStateNumber.FINISHED,
  FAILED: JobStateNumber.JOB_FAILED,
  CANCELLED: JobStateNumber.CANCELLED,
};
const stateByNumber: ReadonlyMap<number, JobState> = new Map<number, JobState>([
  [JobStateNumber.QUEUED, 'QUEUED'],
  [JobStateNumber.LEASED, 'LEASED'],
  [JobStateNumber.CANCELLING, 'CANCELLING'],
  [JobStateNumber.FINISHED, 'FINISHED'],
  [JobStateNumber.JOB_FAILED, 'FAILED'],
  [JobStateNumber.CANCELLED, 'CANCELLED'],
]);

/** @throws Refusal INVALID for a number that names no state. */
export const jobStateOf = (state: number): JobState => {
  const known = stateByNumber.get(state);
  if (known === undefined) throw invalid('JOB_STATE', `There is no job state ${state}. Use those of JobState.`);
  return known;
};

const numberOfVerdict: Readonly<Record<Verdict, VerdictNumber>> = {
  PASSED: VerdictNumber.VERDICT_PASSED,
  FAILED: VerdictNumber.VERDICT_FAILED,
};

/** How far it has come. */
const standingOf = (job: UnitJob) => ({
  state: numberOfState[job.state],
  heldBy: job.heldBy ?? '',
  heldReason: job.heldReason ?? '',
  attempts: job.attempts,
  verdict: job.verdict === null ? VerdictNumber.VERDICT_UNSPECIFIED : numberOfVerdict[job.verdict],
  reason: job.reason ?? '',
  failure: job.failure ?? '',
  botId: job.botId ?? '',
  enqueueTime: timestampOf(job.enqueuedAt),
  startTime: timestampOrUnset(job.startedAt),
  endTime: timestampOrUnset(job.endedAt),
});

/** What became of a job, without what it asked for. */
export const outcomeMessageOf = (job: UnitJob): Job => ({
  ...Job.create(),
  id: BigInt(job.id),
  instance: job.instance,
  station: job.station,
  route: job.route ?? '',
  attemptsMax: job.attemptsMax,
  ...standingOf(job),
});

export const jobMessageOf = (job: JobView): Job => ({
  id: BigInt(job.id),
  instance: job.instance,
  station: job.station,
  task: taskMessageOf(job),
  serials: { ...job.serials },
  constraints: job.constraints,
  requestedBotId: job.requestedBotId ?? '',
  priority: job.priority,
  route: job.route ?? '',
  onFailed: job.onFailed === 'stop' ? OnFailed.STOP : OnFailed.CONTINUE,
  attemptsMax: job.attemptsMax,
  queueTimeout: durationOrUnset(job.queueTimeoutMs),
  ...standingOf(job),
  results: (job.results ?? []).map(resultMessageOf),
  resultsLeftOut: job.resultsLeftOut,
  result: anyOrUnset(job.result),
});

const taskMessageOf = ({ task, executionTimeoutMs }: JobView): Job['task'] => {
  if (task.kind === 'foreign') return { $case: 'payload', value: payloadOf(task) };
  const executionTimeout = durationOrUnset(executionTimeoutMs);
  return { $case: 'work', value: { ...workMessageOf(task.work), executionTimeout } };
};

/** What a job runs, as the bytes that a Remote Workers client knows it by. */
export const payloadOf = ({ typeUrl, value }: { readonly typeUrl: string; readonly value: Uint8Array }): Any => ({
  typeUrl,
  value: Buffer.from(value),
});

export const anyOrUnset = (any: JobView['result']): Any | undefined => (any === null ? undefined : payloadOf(any));
