/** The first job of queues that are known to have one: what should be given next. Flat in backlog and in history. */
import type { Constraint } from '../core/match.ts';
import type { Queryable } from './transaction.ts';

export type QueueHead = {
  readonly instance: string;
  readonly station: string;
  readonly requirementId: number;
  readonly constraints: readonly Constraint[];
  /** The DUT it is pinned to; null: none. */
  readonly deviceId: number | null;
  readonly avoidedBots: readonly string[];
  readonly waitedSeconds: number;
};

/** Those that have waited the longest; each is held beside the bots at home here. */
const HEADS_MAX = 200;

/** The queues of requirement sets, and those of DUTs that are ready for one. Work for one named bot is in neither. */
export const readQueueHeads = async (
  db: Queryable,
  queues: { readonly requirementIds: readonly number[]; readonly deviceIds: readonly number[] },
): Promise<readonly QueueHead[]> => {
  const { requirementIds, deviceIds } = queues;
  if (requirementIds.length + deviceIds.length === 0) return [];
  const { rows } = await db.query<QueueHead>(
    `select h.instance, h.station, h.requirement_id as "requirementId", h.device_id as "deviceId", q.constraints,
       h.avoided_bots as "avoidedBots",
       greatest(0, extract(epoch from farm_now() - h.queued_at))::double precision as "waitedSeconds"
     from (
       select j.* from unnest($1::bigint[]) as w(id) cross join lateral (
         select instance, station, requirement_id, device_id, avoided_bots, queued_at from open_jobs
         where requirement_id = w.id and state = 'QUEUED' and held_by is null and device_id is null
           and requested_bot_id is null
         order by priority, id limit 1) j
       union all
       select j.* from unnest($2::bigint[]) as w(id) cross join lateral (
         select instance, station, requirement_id, device_id, avoided_bots, queued_at from open_jobs
         where device_id = w.id and state = 'QUEUED' and held_by is null and requested_bot_id is null
           and not exists (select from open_leases l where l.device_id = w.id)
           and not exists (select from devices d
             where d.id = w.id and (d.held_reason is not null or d.settling_until > farm_now()))
         order by gate_cleared_until is null, priority, id limit 1) j
     ) h join requirements q on q.id = h.requirement_id
     order by h.queued_at limit ${String(HEADS_MAX)}`,
    [requirementIds, deviceIds],
  );
  return rows;
};
