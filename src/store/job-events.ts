/** The events of one job that whoever watches it has not been told yet. */
import type { FarmEventKind } from '../core/farm-event.ts';
import type { EventCursor } from './farm-events.ts';
import type { Queryable } from './transaction.ts';

/** One of these is the last that a job does. */
const ENDINGS: readonly FarmEventKind[] = ['JOB_FINISHED', 'JOB_FAILED', 'JOB_CANCELLED'];

/** The newest event of a job that every reader has passed; null: none yet. */
export const readNewestCursor = async (db: Queryable, jobId: number): Promise<EventCursor | null> => {
  const { rows } = await db.query<EventCursor>(
    `select xact::text as xact, id from farm_events
     where job_id = $1 and xact < pg_snapshot_xmin(pg_current_snapshot())
     order by farm_events.xact desc, id desc limit 1`,
    [jobId],
  );
  return rows[0] ?? null;
};

/**
 * What is still to come after the cursor: committed events that wait for older transactions to end, and whether the
 * job's own end is among those not yet told.
 */
export const readPending = async (
  db: Queryable,
  jobId: number,
  after: EventCursor,
): Promise<{ readonly some: boolean; readonly end: boolean }> => {
  const { rows } = await db.query<{ some: boolean; end: boolean }>(
    `select count(*) > 0 as some, count(*) filter (where kind = any($4::text[])) > 0 as end from farm_events
     where job_id = $1 and (xact, id) > ($2::xid8, $3::bigint)`,
    [jobId, after.xact, after.id, ENDINGS],
  );
  return rows[0] ?? { some: false, end: false };
};
