/** The farm's own books on a run: how each of its jobs ended, and which of them nobody has begun. */
import { CancelJobRequest, type Job, JobsService, JobState, ListJobsRequest } from '../../gen/stationgrid/v1/jobs.ts';
import type { Booked } from './account.ts';
import type { Connections } from './connections.ts';
import { inLanes } from './in-lanes.ts';
import { pagesOf } from './pages.ts';
import type { Plan } from './plan.ts';
import { isOurs } from './work.ts';

type Whose = Pick<Plan, 'instance' | 'run'>;

const bookedStates: Readonly<Record<JobState, Booked['state']>> = {
  [JobState.JOB_STATE_UNSPECIFIED]: 'open',
  [JobState.QUEUED]: 'open',
  [JobState.LEASED]: 'open',
  [JobState.CANCELLING]: 'open',
  [JobState.FINISHED]: 'finished',
  [JobState.JOB_FAILED]: 'failed',
  [JobState.CANCELLED]: 'cancelled',
  [JobState.UNRECOGNIZED]: 'open',
};

/** @param firstId the run's lowest id: older jobs are not read. */
export const readBooks = async (
  connections: Connections,
  whose: Whose,
  firstId: number,
): Promise<readonly Booked[]> => {
  const booked: Booked[] = [];
  for await (const jobs of jobPages(connections, whose, [])) {
    const ours = jobs.filter((job) => isOurs(job, whose.run));
    booked.push(...ours.map(({ id, state, attempts }) => ({ id: Number(id), state: bookedStates[state], attempts })));
    // Newest first, by their numbers.
    if (jobs.some(({ id }) => Number(id) < firstId)) break;
  }
  return booked;
};

/** Cancels at once. */
const CANCELS_MAX = 50;

/** Cancels the jobs of the run that no bot has; returns how many. One that ends meanwhile has ended. */
export const cancelQueued = async (connections: Connections, whose: Whose): Promise<number> => {
  const queued: bigint[] = [];
  for await (const jobs of jobPages(connections, whose, [JobState.QUEUED]))
    queued.push(...jobs.filter((job) => isOurs(job, whose.run)).map(({ id }) => id));
  const { instance } = whose;
  let cancelled = 0;
  await inLanes(queued, CANCELS_MAX, async (id, through) => {
    const request = CancelJobRequest.create({ instance, id, reason: 'the load run has ended' });
    const answer = await connections.call(JobsService.cancelJob, request, { through, deadlineMs: ANSWER_MS });
    if (answer.kind === 'answered') cancelled += 1;
  });
  return cancelled;
};

const ANSWER_MS = 10_000;

const jobPages = ({ ask }: Connections, { instance }: Whose, states: JobState[]): AsyncIterable<readonly Job[]> =>
  pagesOf(
    (page) => ask(JobsService.listJobs, ListJobsRequest.create({ instance, states, ...page })),
    ({ jobs }) => jobs,
  );
