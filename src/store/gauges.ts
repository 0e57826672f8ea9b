/** What the gauges of the whole farm need and the tick does not know. One statement, flat in backlog and in history. */
import type { Queryable } from './transaction.ts';

export type FarmGauges = {
  readonly jobs: readonly {
    readonly instance: string;
    readonly station: string;
    readonly state: string;
    readonly n: number;
  }[];
  /** One for each instance. */
  readonly instances: readonly {
    readonly instance: string;
    /** Of the runnable job that has been queued the longest; 0: there is none. */
    readonly oldestQueuedSeconds: number;
    /** Lanes whose head waits for its time, or its turn. */
    readonly due: number;
    /** Lanes whose head is a dead letter. */
    readonly blocked: number;
    /** Calls that are not settled, dead letters included. */
    readonly owed: number;
    /** Of the longest owed call that is not settled; 0: none is owed. */
    readonly oldestOwedSeconds: number;
  }[];
};

/** Each costs three looks at an index. Beyond this many their ages and lanes are left out. */
const INSTANCES_MAX = 1000;

/**
 * @param instances those to be told of though nothing was ever enqueued for them. Others are found by their tallies.
 *
 * The tallies are folded by the tick, each oldest is the first entry of an index, and of the lanes only those are read
 * that owe something: their positions say how many calls, however many there are.
 */
export const readGauges = async (db: Queryable, instances: readonly string[]): Promise<FarmGauges> => {
  const { rows } = await db.query<FarmGauges>(
    `with counted as (
       select instance, label as station, state, sum(n) as n from tallies where family = 'job'
       group by instance, label, state having sum(n) <> 0
     ), known as (
       (select instance from counted union select unnest($1::text[])) order by 1 limit ${String(INSTANCES_MAX)}
     ), told as (
       select known.instance, owing.*,
         coalesce(greatest(0, extract(epoch from farm_now() - (
           select j.queued_at from open_jobs j where j.instance = known.instance and j.state = 'QUEUED' and j.held_by is null
           order by j.queued_at limit 1))), 0) as "oldestQueuedSeconds",
         coalesce(greatest(0, extract(epoch from farm_now() - (
           select c.owed_at from unsettled_calls c where c.instance = known.instance
           order by c.owed_at limit 1))), 0) as "oldestOwedSeconds"
       from known cross join lateral (
         select count(*) filter (where not l.blocked) as due, count(*) filter (where l.blocked) as blocked,
                coalesce(sum(l.next_position - l.head_position), 0) as owed
         from (select next_position, head_position, blocked from lanes
               where instance = known.instance and due_at is not null
               union all
               select next_position, head_position, blocked from lanes
               where instance = known.instance and blocked) l) owing
     )
     select (select coalesce(jsonb_agg(counted), '[]') from counted) as jobs,
            (select coalesce(jsonb_agg(told), '[]') from told) as instances`,
    [instances],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the reading of the gauges returned no row');
  return row;
};
