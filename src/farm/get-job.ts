/** Reads one job, with the results of its last attempt. */
import { type JobViewRow, readAttemptResults, readJobView } from '../store/job-views.ts';
import type { Queryable } from '../store/transaction.ts';
import { noSuchJob } from './cancel-job.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';
import { type JobView, toJobView } from './job-view.ts';

export type JobName = { readonly instance: string; readonly id: number };

/** @throws Refusal NOT_FOUND; INVALID for an unknown instance. */
export const getJob = async (farm: Farm, job: JobName): Promise<JobView> => {
  lineFor(farm, job.instance);
  return readJob(farm.pool, job);
};

/** So many bytes of results go with a job: with its task and what it answered, it still fits into one message. */
const RESULTS_BYTES_MAX = 1024 * 1024;

/** As it is in the view of `db`. @throws Refusal NOT_FOUND. */
export const readJob = async (db: Queryable, job: JobName): Promise<JobView> => {
  const row = await findJob(db, job);
  return toJobView(row, await readAttemptResults(db, row, RESULTS_BYTES_MAX));
};

/** Without its results. @throws Refusal NOT_FOUND. */
export const findJob = async (db: Queryable, job: JobName): Promise<JobViewRow> => {
  // Ids come from the wire as 64 bits; those that a number cannot hold were never drawn.
  const row = Number.isSafeInteger(job.id) ? await readJobView(db, job.instance, job.id) : null;
  if (row === null) throw noSuchJob(job);
  return row;
};
