/** Farm events: appended with the facts they tell of, read in an order that can be resumed. */
import type { FarmEvent, FarmEventKind } from '../core/farm-event.ts';
import { asJson, type Queryable } from './transaction.ts';

export const appendEvents = async (db: Queryable, events: readonly FarmEvent[]): Promise<void> => {
  if (events.length === 0) return;
  await db.query(
    `insert into farm_events (kind, instance, job_id, lease_id, bot_id, device_id, facts)
     select r.kind, r.instance, r."jobId", r."leaseId", r."botId", r."deviceId", r.facts
     from rows from (jsonb_to_recordset($1::jsonb) as (
       kind text, instance text, "jobId" bigint, "leaseId" uuid, "botId" text, "deviceId" bigint, facts jsonb))
       with ordinality as r(kind, instance, "jobId", "leaseId", "botId", "deviceId", facts, ordinal)
     order by r.ordinal`,
    [asJson(events)],
  );
};

/** Resumes after the event it names. */
export type EventCursor = { readonly xact: string; readonly id: number };

export type ReadEvent = {
  readonly cursor: EventCursor;
  readonly kind: FarmEventKind;
  readonly at: Date;
};

/** A job, and when it was enqueued: no day of events before that is looked at. */
export type EventsOf = { readonly jobId: number; readonly enqueuedAt: Date };

/** The database's clock may have been set back so far since the job was enqueued. */
export const CLOCK_BACK_MAX_MS = 3_600_000;

export const firstEventAt = ({ enqueuedAt }: EventsOf): Date => new Date(enqueuedAt.getTime() - CLOCK_BACK_MAX_MS);

/**
 * Events of one job after the cursor, oldest first, only of transactions that every later reader will see before any
 * newer one: those below the snapshot's xmin.
 */
export const readJobEvents = async (
  db: Queryable,
  job: EventsOf,
  after: EventCursor,
  limit: number,
): Promise<ReadEvent[]> => {
  const { rows } = await db.query<{ xact: string; id: number; kind: FarmEventKind; at: Date }>(
    `select xact::text as xact, id, kind, at from farm_events
     where job_id = $1 and at >= $5 and (xact, id) > ($2::xid8, $3::bigint)
       and xact < pg_snapshot_xmin(pg_current_snapshot())
     order by farm_events.xact, id limit $4`,
    [job.jobId, after.xact, after.id, limit, firstEventAt(job)],
  );
  return rows.map(({ xact, id, kind, at }) => ({ cursor: { xact, id }, kind, at }));
};
