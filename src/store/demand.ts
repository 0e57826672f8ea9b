/** What an autoscaler of bots needs to know of an instance. One statement, flat in backlog and in history. */
import type { DemandFacts } from '../core/demand.ts';
import { IN_CLASS_QUEUE } from './tick.ts';
import type { Queryable } from './transaction.ts';

export type DemandRows = Omit<DemandFacts, 'othersRoom'> & {
  /** Canonical property sets. */
  readonly othersRoom: readonly { readonly properties: string; readonly room: number }[];
};

/**
 * @param fleet bot ids that are the fleet's, as `like` takes it; null: every bot is.
 * @param drained the same of bots that take no work.
 * @param countedMax jobs counted for one requirement set: the heads of its queue.
 *
 * The queues are found one from the other by their index, as the tick does it; leases and sessions are as many as bots.
 */
export const readDemand = async (
  db: Queryable,
  ask: {
    readonly instance: string;
    readonly fleet: string | null;
    readonly drained: readonly string[];
    readonly readyStatus: number;
    readonly countedMax: number;
  },
): Promise<DemandRows> => {
  const { rows } = await db.query<DemandRows>(
    `with recursive hot(id) as (
       (select requirement_id from open_jobs where ${IN_CLASS_QUEUE} order by requirement_id limit 1)
       union all
       select (select requirement_id from open_jobs where ${IN_CLASS_QUEUE} and requirement_id > hot.id
               order by requirement_id limit 1)
       from hot where hot.id is not null
     ), queued as (
       select r.constraints, head.station, count(*) as jobs,
              greatest(0, extract(epoch from farm_now() - min(head.queued_at))) as "oldestSeconds"
       from hot join requirements r on r.id = hot.id and r.instance = $1
       cross join lateral (
         select station, queued_at from open_jobs where ${IN_CLASS_QUEUE} and requirement_id = hot.id
         order by requirement_id, priority, id limit $5) head
       group by r.id, r.constraints, head.station order by r.id, head.station
     ), busy as (
       select l.station, count(*) as leases from open_leases l join bot_sessions s on s.name = l.session_name
       where s.instance = $1 and ($2::text is null or s.bot_id like $2 escape '\\')
       group by l.station
     ), others as (
       select s.properties::text as properties,
              sum(greatest(0, s.capacity - (select count(*) from open_leases l where l.session_name = s.name))) as room
       from bot_sessions s join bots b on b.instance = s.instance and b.bot_id = s.bot_id
       where s.instance = $1 and s.state = 'OPEN' and s.status = $4 and s.bot_id not like $2 escape '\\'
         and b.quarantine_reason is null and not s.bot_id like any($3::text[])
       group by s.properties
     )
     select (select coalesce(jsonb_agg(queued), '[]') from queued) as queued,
            (select coalesce(jsonb_agg(busy), '[]') from busy) as busy,
            (select coalesce(jsonb_agg(others), '[]') from others where room > 0) as "othersRoom"`,
    [ask.instance, ask.fleet, ask.drained, ask.readyStatus, ask.countedMax],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the reading of the demand returned no row');
  return row;
};
