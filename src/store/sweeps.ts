/** What has run out, found and locked by any replica that looks; what another one sweeps is skipped. */
import type { LeaseEvent } from '../core/lease.ts';
import type { Queryable } from './transaction.ts';

/** Rows one sweep takes at a time; the rest is due at the next round. */
export const SWEEP_MAX = 200;

/** Bots could not speak to us: what they did not say in time counts for nothing. */
const NO_AMNESTY = `not exists (select from farm_marks where amnesty_until > farm_now())`;

type OutageLimits = {
  readonly session: { readonly ttlMs: number };
  readonly replica: { readonly amnestyAfterMs: number };
};

/**
 * When the last outage of the farm's own was over, from which it still excuses its bots; null: there was none lately. Also
 * before a tick has granted the amnesty for it: bots may be quicker.
 */
export const readOutageEnd = async (db: Queryable, { session, replica }: OutageLimits): Promise<Date | null> => {
  const { rows } = await db.query<{ at: Date | null }>(
    `select case
       when (select max(last_seen_at) from replicas) < farm_now() - $2 * interval '1 millisecond' then farm_now()
       when amnesty_until > farm_now() then amnesty_until - $1 * interval '1 millisecond'
     end as at from farm_marks`,
    [session.ttlMs, replica.amnestyAfterMs],
  );
  return rows[0]?.at ?? null;
};

/**
 * Its own home says so, having looked at its monotonic clock, or the home itself has been silent for a whole ttl; and
 * never during an amnesty (invariant 9). `$1` is this replica, `$2` the ttl in milliseconds.
 */
const MAY_EXPIRE = `
  ${NO_AMNESTY}
  and (s.home_replica = $1 or not exists (
    select from replicas h where h.id = s.home_replica and h.last_seen_at + $2 * interval '1 millisecond' > farm_now()))`;

export type Sweeper = { readonly replica: string; readonly ttlMs: number };

/** Sessions past their time to live, locked. */
export const lockLapsed = async (
  db: Queryable,
  by: Sweeper,
): Promise<{ name: string; instance: string; botId: string; now: Date }[]> => {
  const { rows } = await db.query<{ name: string; instance: string; botId: string; now: Date }>(
    `select s.name, s.instance, s.bot_id as "botId", farm_now() as now from bot_sessions s
     where s.state = 'OPEN' and s.expires_at < farm_now() and ${MAY_EXPIRE}
     order by s.name limit ${String(SWEEP_MAX)} for update of s skip locked`,
    [by.replica, by.ttlMs],
  );
  return rows;
};

export const markLapsed = async (db: Queryable, names: readonly string[]): Promise<void> => {
  await db.query(`update bot_sessions set state = 'LAPSED' where name = any($1::text[]) and state = 'OPEN'`, [names]);
};

/** Closes lapsed sessions that hold nothing any more; returns their names. */
export const closeEmptyLapsed = async (
  db: Queryable,
  names: readonly string[],
): Promise<{ instance: string; botId: string }[]> => {
  const { rows } = await db.query<{ instance: string; botId: string }>(
    `update bot_sessions s set state = 'CLOSED', closed_at = farm_now(),
       closed_reason = 'expired: not heard of within its time to live'
     where s.name = any($1::text[]) and s.state = 'LAPSED' and not exists (
       select from open_leases l where l.session_name = s.name)
     returning s.instance, s.bot_id as "botId"`,
    [names],
  );
  return rows;
};

export type DueLease = {
  readonly leaseId: string;
  readonly jobId: number;
  readonly sessionName: string;
  readonly event: LeaseEvent;
};

const SILENT = `s.state = 'LAPSED' and s.seen_at + l.lost_after_ms * interval '1 millisecond' < farm_now() and ${MAY_EXPIRE}`;
/** One of its clocks has run out. `$3` to `$5`: accept un-echoed, accept echoed, cancel grace, in milliseconds. */
const DUE = `
  ${NO_AMNESTY} and (
    l.state = 'PENDING' and l.echoed_at is null and l.granted_at + $3 * interval '1 millisecond' < farm_now()
    or l.state = 'PENDING' and l.granted_at + $4 * interval '1 millisecond' < farm_now()
    or l.state = 'CANCELLING' and l.cancel_asked_at + $5 * interval '1 millisecond' < farm_now())
  or l.state = 'ACTIVE' and l.execution_deadline < farm_now()
  or ${SILENT}`;

/**
 * Leases past one of their clocks. Their sessions are locked first, and the clocks read again under the locks, so that no
 * report of the bot's can cross: an echo that was committed in between counts. Null: nothing is due.
 */
export const lockDueLeases = async (
  db: Queryable,
  by: Sweeper,
  limits: { readonly acceptUnechoedMs: number; readonly acceptEchoedMs: number; readonly cancelGraceMs: number },
): Promise<{
  readonly now: Date;
  /** Lapsed ones that hold nothing any more are among them. */
  readonly sessionNames: readonly string[];
  readonly leases: readonly DueLease[];
} | null> => {
  const clocks = [by.replica, by.ttlMs, limits.acceptUnechoedMs, limits.acceptEchoedMs, limits.cancelGraceMs];
  const { rows: sessions } = await db.query<{ name: string; now: Date }>(
    `select s.name, farm_now() as now from bot_sessions s where s.name in (
       select s.name from open_leases l join bot_sessions s on s.name = l.session_name where ${DUE}
       -- Its last lease ended by its bot's word, and then its home was lost.
       union
       select s.name from bot_sessions s where s.state = 'LAPSED' and ${MAY_EXPIRE}
         and not exists (select from open_leases l where l.session_name = s.name))
     order by s.name limit ${String(SWEEP_MAX)} for update of s skip locked`,
    clocks,
  );
  const [first] = sessions;
  if (first === undefined) return null;
  const sessionNames = sessions.map(({ name }) => name);
  const { rows: leases } = await db.query<DueLease>(
    `select l.id as "leaseId", l.job_id as "jobId", l.session_name as "sessionName",
            case
              when ${SILENT} then 'LOST_AFTER_PASSED'
              when l.state = 'CANCELLING' then 'CANCEL_GRACE_PASSED'
              when l.state = 'PENDING' then 'ACCEPT_TIMED_OUT'
              else 'EXECUTION_TIMED_OUT'
            end as event
     from open_leases l join bot_sessions s on s.name = l.session_name
     where l.session_name = any($6::text[]) and (${DUE})
     order by l.id`,
    [...clocks, sessionNames],
  );
  return { now: first.now, sessionNames, leases };
};

export type DueJob = {
  readonly id: number;
  readonly cause: 'QUEUE_TIMEOUT' | 'MATCH_TIMEOUT' | 'EXPIRED';
  readonly now: Date;
};

/** Jobs past a deadline of theirs. They are found, not locked: the caller locks with what hangs on them. */
export const findDueJobs = async (db: Queryable): Promise<DueJob[]> => {
  const { rows } = await db.query<DueJob>(
    `select * from (
       select id, 'QUEUE_TIMEOUT' as cause, farm_now() as now from open_jobs
         where state = 'QUEUED' and queue_deadline < farm_now()
       union all
       select id, 'MATCH_TIMEOUT', farm_now() from open_jobs where state = 'QUEUED' and match_deadline < farm_now()
       union all
       select id, 'EXPIRED', farm_now() from open_jobs where expires_at < farm_now()
     ) due order by id limit ${String(SWEEP_MAX)}`,
  );
  return rows;
};

/** What is remembered for a while only: closed sessions that no open lease names, enqueue requests, silent replicas. */
export const forgetOld = async (
  db: Queryable,
  kept: { readonly closedMs: number; readonly enqueueMs: number },
): Promise<void> => {
  await db.query(
    `delete from bot_sessions s where s.name in (
       select name from bot_sessions c
       where c.state = 'CLOSED' and c.closed_at < farm_now() - $1 * interval '1 millisecond'
         and not exists (select from open_leases l where l.session_name = c.name)
       limit ${String(SWEEP_MAX)})`,
    [kept.closedMs],
  );
  await db.query(
    `delete from enqueue_requests where (instance, request_id) in (
       select instance, request_id from enqueue_requests where at < farm_now() - $1 * interval '1 millisecond'
       limit ${String(SWEEP_MAX)})`,
    [kept.enqueueMs],
  );
  await db.query(`delete from replicas where last_seen_at < farm_now() - interval '1 day'`);
};
