/** All farm events in their order, page by page, for those who follow the farm. */
import type { FarmEvent, FarmEventKind } from '../core/farm-event.ts';
import { CLOCK_BACK_MAX_MS, type EventCursor } from './farm-events.ts';
import type { Queryable } from './transaction.ts';

/** Where a page begins. `at`: no day before it is looked at, save for a clock that was set back. */
export type EventPlace = EventCursor & { readonly at: Date };

/** As committed, with its place and its time. */
export type StoredEvent = Omit<FarmEvent, 'kind'> & { readonly kind: FarmEventKind; readonly place: EventPlace };

export type EventPage = {
  readonly events: readonly StoredEvent[];
  /** There are newer ones, which wait for older transactions to end. */
  readonly pending: boolean;
};

/** Before everything that readers have not passed yet. */
export const readEventHorizon = async (db: Queryable): Promise<EventPlace> => {
  const { rows } = await db.query<EventPlace>(
    `select pg_snapshot_xmin(pg_current_snapshot())::text as xact, 0 as id, farm_now() as at`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the horizon of events returned no row');
  return row;
};

type Row = Omit<StoredEvent, 'place'> & EventPlace;

/** Oldest first; of transactions alone that every later reader sees before any newer one. */
export const readEventPage = async (db: Queryable, after: EventPlace, limit: number): Promise<EventPage> => {
  const since = new Date(after.at.getTime() - CLOCK_BACK_MAX_MS);
  const { rows } = await db.query<Row>(
    `select xact::text as xact, id, at, kind, instance, job_id as "jobId", lease_id as "leaseId", bot_id as "botId",
            device_id as "deviceId", facts
     from farm_events
     where (xact, id) > ($1::xid8, $2::bigint) and at >= $4 and xact < pg_snapshot_xmin(pg_current_snapshot())
     order by farm_events.xact, id limit $3`,
    [after.xact, after.id, limit, since],
  );
  const events = rows.map(({ xact, id, at, ...event }) => ({ ...event, place: { xact, id, at } }));
  if (events.length === limit) return { events, pending: true };
  const { rows: told } = await db.query<{ pending: boolean }>(
    `select exists (select from farm_events
                    where xact >= pg_snapshot_xmin(pg_current_snapshot()) and at >= $1) as pending`,
    [since],
  );
  return { events, pending: told[0]?.pending ?? false };
};
