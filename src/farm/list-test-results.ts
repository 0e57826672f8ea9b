/** Lists the results of a job, all attempts, stale ones included and marked. */
import { readResultViews, type ResultView } from '../store/result-views.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';
import { type JobName, readJob } from './get-job.ts';

export type { ResultView };

/** @throws Refusal NOT_FOUND; INVALID for an unknown instance. */
export const listTestResults = async (farm: Farm, job: JobName): Promise<readonly ResultView[]> => {
  lineFor(farm, job.instance);
  const { id, attemptsMax } = await readJob(farm.pool, job);
  // What was stored was bounded by the attempt; one more counts for what was kept as stale.
  const limit = farm.limits.jobs.resultsMax * (attemptsMax + 1);
  const rows = await readResultViews(farm.pool, id, { after: 0, limit });
  return rows.map(({ id: _id, ...view }) => view);
};
