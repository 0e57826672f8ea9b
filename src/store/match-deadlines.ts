/** Reservations that would end for want of a matching bot, and how they are given more time while one is there. */
import type { Constraint } from '../core/match.ts';
import type { Queryable } from './transaction.ts';

export type AwaitingMatch = {
  readonly id: number;
  readonly instance: string;
  readonly constraints: readonly Constraint[];
  readonly requestedBotId: string | null;
  readonly deviceId: number | null;
};

/** A stretch of the queued reservations with less than their whole match timeout left: those after a job, by id. */
export const findAwaitingMatch = async (
  db: Queryable,
  { afterJobId, limit }: { readonly afterJobId: number; readonly limit: number },
): Promise<AwaitingMatch[]> => {
  const { rows } = await db.query<AwaitingMatch>(
    `select j.id, j.instance, q.constraints, j.requested_bot_id as "requestedBotId", j.device_id as "deviceId"
     from open_jobs j join requirements q on q.id = j.requirement_id
     where j.state = 'QUEUED' and j.match_deadline is not null and j.reservation ->> 'matchTimeoutMs' is not null
       and j.match_deadline < farm_now() + (j.reservation ->> 'matchTimeoutMs')::numeric * interval '1 millisecond'
       and j.id > $1
     order by j.id limit $2`,
    [afterJobId, limit],
  );
  return rows;
};

/**
 * Counts the match timeout anew, with a quarter on top, so that this is not asked again at every turn. Waits for whoever
 * has a job locked: it may be another replica that gives it more time, and the sweep that follows must see that.
 */
export const extendMatchDeadlines = async (db: Queryable, jobIds: readonly number[]): Promise<void> => {
  if (jobIds.length === 0) return;
  await db.query(
    `with locked as (
       select id from open_jobs where id = any($1::bigint[]) and state = 'QUEUED' order by id for no key update)
     update open_jobs j
     set match_deadline = farm_now() + 1.25 * (j.reservation ->> 'matchTimeoutMs')::numeric * interval '1 millisecond'
     from locked where j.id = locked.id`,
    [jobIds],
  );
};
