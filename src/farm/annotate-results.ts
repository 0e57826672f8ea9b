/** Puts a note beside a job's results. The results stay what they were, and so does the verdict. */
import { Refusal } from '../core/refusal.ts';
import { checkReason } from '../core/text.ts';
import { insertResultNote, lockJobOfNotes, readResultNotes, type ResultNote } from '../store/result-notes.ts';
import { noSuchJob } from './cancel-job.ts';
import { type Farm, transact } from './farm.ts';
import type { JobName } from './get-job.ts';
import { lineFor } from './instance.ts';

/** On one job. What needs more is not a note. */
export const RESULT_NOTES_MAX = 100;

/**
 * Whatever state the job is in. Repeating the last note of a job is harmless: it is there once.
 * @param author the caller, by name.
 * @throws Refusal INVALID; NOT_FOUND; LIMIT_REACHED when the job has as many notes as it may.
 */
export const annotateResults = async (
  farm: Farm,
  asked: JobName & { readonly note: string },
  author: string,
): Promise<ResultNote> => {
  const { instance, id } = asked;
  lineFor(farm, instance);
  const note = asked.note.trim();
  checkReason('The note', note, farm.limits.text.reasonBytesMax);
  return transact(farm, async (db) => {
    if (!Number.isSafeInteger(id) || !(await lockJobOfNotes(db, instance, id))) throw noSuchJob(asked);
    const notes = await readResultNotes(db, id, RESULT_NOTES_MAX);
    const last = notes.at(-1);
    if (last?.author === author && last.note === note) return last;
    if (notes.length >= RESULT_NOTES_MAX) throw tooManyNotes(id);
    return insertResultNote(db, { jobId: id, author, note });
  });
};

const tooManyNotes = (id: number): Refusal =>
  new Refusal(
    'LIMIT_REACHED',
    'TOO_MANY_NOTES',
    `Job ${String(id)} has ${RESULT_NOTES_MAX} notes, which is the limit of one job. Keep what is longer elsewhere, and let the last note say where.`,
  );
