/** Whether a database is still the one that it was, judged by its marks (`database_mark()` in 0004_restored.sql). */

/** PROMOTED: the same cluster on a new timeline. MOVED: another cluster or database. SAID: by an operator. */
export type RestoreCause = 'PROMOTED' | 'MOVED' | 'SAID';

/**
 * How far the numbers of jobs move ahead at a restore: more than a farm enqueues between a backup and its loss, and so
 * little that two thousand restores fit into the 31 bits that LAVA's and Autotest's clients have for a job.
 */
export const JOB_IDS_SKIPPED = 1_000_000;

/** Null for `seen`: nobody has looked before. Null for `now`: the server does not tell. Returns null for no restore. */
export const causeOfRestore = (seen: string | null, now: string | null): RestoreCause | null => {
  if (seen === null || now === null || seen === now) return null;
  return withoutTimeline(seen) === withoutTimeline(now) ? 'PROMOTED' : 'MOVED';
};

/** `cluster/timeline/database/table`. */
const withoutTimeline = (mark: string): string => mark.split('/').toSpliced(1, 1).join('/');

/** Whether the bridge of an instance waits for its people: farm-wide, and by instance, the number of the last restore. */
export const isBridgePaused = (
  { restores, resumes }: { readonly restores: number; readonly resumes: Readonly<Record<string, number>> },
  instance: string,
): boolean => restores > (resumes[instance] ?? 0);
