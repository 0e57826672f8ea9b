/** The events of one job that whoever watches it has not been told yet. */
import type { FarmEventKind } from '../core/farm-event.ts';
import { type EventCursor, type EventsOf, firstEventAt } from './farm-events.ts';
import type { Queryable } from './transaction.ts';

/** One of these is the last that a job does. */
const ENDINGS: readonly FarmEventKind[] = ['JOB_FINISHED', 'JOB_FAILED', 'JOB_CANCELLED'];

/** The newest event of a job that every reader has passed; null: none yet. */
export const readNewestCursor = async (db: Queryable, job: EventsOf): Promise<EventCursor | null> => {
  const { rows } = await db.query<EventCursor>(
    `select xact::text as xact, id from farm_events
     where job_id = $1 and at >= $2 and xact < pg_snapshot_xmin(pg_current_snapshot())
     order by farm_events.xact desc, id desc limit 1`,
    [job.jobId, firstEventAt(job)],
  );
  return rows[0] ?? null;
};

/**
 * What is still to come after the cursor: committed events that wait for older transactions to end, and whether the
 * job's own end is among those not yet told.
 */
export const readPending = async (
  db: Queryable,
  job: EventsOf,
  after: EventCursor,
): Promise<{ readonly some: boolean; readonly end: boolean }> => {
  const { rows } = await db.query<{ some: boolean; end: boolean }>(
    `select count(*) > 0 as some, count(*) filter (where kind = any($4::text[])) > 0 as end from farm_events
     where job_id = $1 and at >= $5 and (xact, id) > ($2::xid8, $3::bigint)`,
    [job.jobId, after.xact, after.id, ENDINGS, firstEventAt(job)],
  );
  return rows[0] ?? { some: false, end: false };
};
