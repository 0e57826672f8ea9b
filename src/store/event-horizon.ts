/** How far watchers are behind: events are told in the order of their transactions, so an open one holds back all newer. */
import type { Queryable } from './transaction.ts';

/** Age of the oldest event that nobody is told yet, in milliseconds; 0: there is none. */
export const readHeldEventsMs = async (db: Queryable): Promise<number> => {
  const { rows } = await db.query<{ heldMs: number }>(
    `select greatest(0, extract(epoch from farm_now() - at) * 1000)::double precision as "heldMs" from farm_events
     where xact >= pg_snapshot_xmin(pg_current_snapshot()) order by xact, id limit 1`,
  );
  return rows[0]?.heldMs ?? 0;
};
