/** What people have said of jobs' results: added and read, never changed. */
import type { Queryable } from './transaction.ts';

export type ResultNote = {
  readonly at: Date;
  /** A principal by name. */
  readonly author: string;
  readonly note: string;
};

/** Notes on one job wait for each other until the transaction ends. False: the instance has no such job. */
export const lockJobOfNotes = async (db: Queryable, instance: string, jobId: number): Promise<boolean> => {
  const { rowCount } = await db.query('select from jobs where id = $1 and instance = $2 for no key update', [
    jobId,
    instance,
  ]);
  return rowCount === 1;
};

/** In the order in which they were written. */
export const readResultNotes = async (db: Queryable, jobId: number, limit: number): Promise<ResultNote[]> => {
  const { rows } = await db.query<ResultNote>(
    'select at, author, note from result_notes where job_id = $1 order by id limit $2',
    [jobId, limit],
  );
  return rows;
};

export const insertResultNote = async (
  db: Queryable,
  { jobId, author, note }: { readonly jobId: number; readonly author: string; readonly note: string },
): Promise<ResultNote> => {
  const { rows } = await db.query<ResultNote>(
    'insert into result_notes (job_id, author, note) values ($1, $2, $3) returning at, author, note',
    [jobId, author, note],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('insert returned no row');
  return row;
};
