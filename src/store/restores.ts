/** Whether the database has lost its newest commits, and what was said about it since. */
import type { Queryable } from './transaction.ts';

export type RestoreCause = 'PROMOTED' | 'MOVED' | 'SAID';

/** A time at which the database was found to have forgotten. */
export type Restore = {
  readonly number: number;
  readonly noticedAt: Date;
  readonly cause: RestoreCause;
  /** The newest fact that it still knows; null: it knew none. */
  readonly lastFactAt: Date | null;
  readonly jobIdsSkippedFrom: number;
  readonly jobIdsSkipped: number;
};

/** As numbers also where a session reads bigint as text, as those of commands do. */
const COLUMNS = `number, noticed_at as "noticedAt", cause, last_fact_at as "lastFactAt",
  job_ids_skipped_from::double precision as "jobIdsSkippedFrom", job_ids_skipped::double precision as "jobIdsSkipped"`;

/** Ends the look of every other replica until the transaction does. Null: no farm has ever looked, or none can. */
export const lockDatabaseMark = async (
  db: Queryable,
): Promise<{ readonly seen: string | null; readonly now: string | null }> => {
  const { rows } = await db.query<{ seen: string | null; now: string | null }>(
    `select m.database_mark as seen, database_mark() as now from farm_marks m for update of m`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('farm_marks has no row');
  return row;
};

/** The database is the one that was looked at just now. */
export const writeDatabaseMark = async (db: Queryable, mark: string): Promise<void> => {
  await db.query('update farm_marks set database_mark = $1', [mark]);
};

/** Moves the numbers of jobs ahead, and keeps the restore. The mark is locked. */
export const insertRestore = async (db: Queryable, cause: RestoreCause, jobIdsSkipped: number): Promise<Restore> => {
  const { rows } = await db.query<Restore>(
    `with ahead as (
       select greatest(case when s.is_called then s.last_value else 0 end, (select coalesce(max(id), 0) from jobs)) as used
       from job_ids s
     ), moved as (
       select used, setval('job_ids', used + $2) from ahead)
     insert into restores (number, cause, last_fact_at, job_ids_skipped_from, job_ids_skipped)
     select coalesce((select max(number) from restores), 0) + 1, $1,
            (select at from farm_events order by xact desc, id desc limit 1), moved.used + 1, $2
     from moved
     returning ${COLUMNS}`,
    [cause, jobIdsSkipped],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('insert returned no row');
  return row;
};

/**
 * Another cluster counts its transactions from its own beginning. Events of the former one would lie ahead of all
 * readers for as long as its count was ahead, so they are put before all that are to come; among themselves their ids
 * keep them in order.
 */
export const putEventsBehind = async (db: Queryable): Promise<void> => {
  await db.query(
    `update farm_events set xact = '1'
     where (select max(xact) from farm_events) >= pg_snapshot_xmin(pg_current_snapshot())`,
  );
};

/** The restore because of which this instance's bridge is paused; null: it is not. */
export const readPause = async (db: Queryable, instance: string): Promise<Restore | null> => {
  const { rows } = await db.query<Restore>(
    `select ${COLUMNS} from restores
     where number > coalesce((select restore from bridge_resumes where instance = $1), 0)
     order by number desc limit 1`,
    [instance],
  );
  return rows[0] ?? null;
};

/** Locks the instance's row against another who resumes. False: somebody has, meanwhile. */
export const insertResume = async (
  db: Queryable,
  instance: string,
  restore: number,
  reason: string,
): Promise<boolean> => {
  const { rowCount } = await db.query(
    `insert into bridge_resumes (instance, restore, reason) values ($1, $2, $3)
     on conflict (instance) do update
       set restore = excluded.restore, reason = excluded.reason, resumed_at = excluded.resumed_at
       where bridge_resumes.restore < excluded.restore`,
    [instance, restore, reason],
  );
  return rowCount === 1;
};

/** What a pause has held back is due at once. */
export const makeLanesDue = async (db: Queryable, instance: string): Promise<void> => {
  await db.query(
    `update lanes l set due_at = farm_now()
     from (select device_id from lanes where instance = $1 and due_at > farm_now() order by device_id for update) held
     where l.device_id = held.device_id`,
    [instance],
  );
};
