/** Lists what people have said of a job's results. */
import { readResultNotes, type ResultNote } from '../store/result-notes.ts';
import { RESULT_NOTES_MAX } from './annotate-results.ts';
import type { Farm } from './farm.ts';
import { findJob, type JobName } from './get-job.ts';
import { lineFor } from './instance.ts';

export type { ResultNote };

/** In the order in which they were written. @throws Refusal NOT_FOUND; INVALID for an unknown instance. */
export const listResultNotes = async (farm: Farm, job: JobName): Promise<readonly ResultNote[]> => {
  lineFor(farm, job.instance);
  const { id } = await findJob(farm.pool, job);
  return readResultNotes(farm.pool, id, RESULT_NOTES_MAX);
};
