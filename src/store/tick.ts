/** The one statement that an idle replica runs: heartbeat, renewal, and what has become due. */
import type { OpenLeaseState } from '../core/lease.ts';
import { asJson, type Queryable } from './transaction.ts';

export type TickAsk = {
  readonly replica: string;
  readonly ttlMs: number;
  readonly amnestyAfterMs: number;
  /** Sessions at home here that were heard of since the last tick, and how long ago, on this machine's monotonic clock. */
  readonly renew: readonly { readonly name: string; readonly attachEpoch: number; readonly ageMs: number }[];
  /** Every session at home here, to learn which of them moved away. */
  readonly home: readonly { readonly name: string; readonly attachEpoch: number }[];
  /** The leases they hold, as they are remembered here. */
  readonly held: readonly HeldHere[];
  /** DUTs of idle sessions here: whether something is queued for them. */
  readonly deviceIds: readonly number[];
};

export type HeldHere = { readonly name: string; readonly leaseId: string; readonly state: OpenLeaseState };

export type TickAnswer = {
  readonly replicas: number;
  /** While true nobody is declared lost: the outage was ours. */
  readonly amnesty: boolean;
  /** Sessions to be renewed whose rows a write had locked: to be renewed by the next tick. */
  readonly busy: readonly string[];
  readonly moved: readonly string[];
  /** Held leases that are remembered wrongly: somebody asked to cancel or closed them. */
  readonly changed: readonly HeldHere[];
  readonly quarantined: readonly { readonly instance: string; readonly botId: string; readonly reason: string }[];
  readonly drains: readonly { readonly instance: string; readonly pattern: string; readonly note: string }[];
  readonly hotRequirements: readonly number[];
  readonly hotDevices: readonly number[];
  readonly hotBots: readonly { readonly instance: string; readonly botId: string }[];
  /** The database is not the one that a farm last looked at: noticeRestore is due. */
  readonly restored: boolean;
  /** The number of the last restore; 0: none. And by instance, up to which one its bridge was resumed. */
  readonly restores: number;
  readonly resumes: Readonly<Record<string, number>>;
  readonly sessions: readonly { readonly instance: string; readonly status: number; readonly n: number }[];
  readonly due: {
    readonly sessions: boolean;
    readonly leases: boolean;
    readonly jobs: boolean;
    readonly gates: boolean;
    readonly lanes: boolean;
    readonly leftovers: boolean;
  };
};

/** Runnable, and for whoever serves its requirement set: the condition of the index `jobs_queue`. */
export const IN_CLASS_QUEUE = `state = 'QUEUED' and held_by is null and device_id is null and requested_bot_id is null`;

/** What is due is said here in short; `store/sweeps.ts` says it in full, and acts on it. */
const TICK = `
    with recursive beat as (
       insert into replicas (id) values ($1)
       on conflict (id) do update set last_seen_at = farm_now() returning id
     ), amnesty as (
       update farm_marks set amnesty_until = farm_now() + $2 * interval '1 millisecond'
       where not exists (
         select from replicas where last_seen_at > farm_now() - $3 * interval '1 millisecond')
       returning amnesty_until
     ), heard as (
       select * from jsonb_to_recordset($4::jsonb) as r(name text, "attachEpoch" bigint, "ageMs" double precision)
     ), free as (
       -- Never back before what a write has said meanwhile; but not ahead of a clock that was set back.
       -- A write has the others, in an order of its own: the heartbeat neither waits for it nor gets in its way.
       select s.name, least(farm_now(), greatest(s.seen_at,
                farm_now() - heard."ageMs" * interval '1 millisecond')) as at from bot_sessions s
       join heard on s.name = heard.name and s.attach_epoch = heard."attachEpoch"
       where s.state <> 'CLOSED' for update of s skip locked
     ), renewed as (
       update bot_sessions s
       set seen_at = free.at, state = 'OPEN', expires_at = free.at + $2 * interval '1 millisecond'
       from free where s.name = free.name
       returning s.name
     ), home as (
       select * from jsonb_to_recordset($5::jsonb) as r(name text, "attachEpoch" bigint)
     ), hot(id) as (
       -- From one queue to the next by the index: what waits behind the heads, and what was ever asked for, is not read.
       (select requirement_id from open_jobs where ${IN_CLASS_QUEUE} order by requirement_id limit 1)
       union all
       select (select requirement_id from open_jobs where ${IN_CLASS_QUEUE} and requirement_id > hot.id
               order by requirement_id limit 1)
       from hot where hot.id is not null
     )
     select jsonb_build_object(
       'replicas', (select count(*) from replicas
                    where last_seen_at > farm_now() - $3 * interval '1 millisecond' and id <> $1) + (select count(*) from beat),
       'amnesty', exists (select from amnesty) or exists (select from farm_marks where amnesty_until > farm_now()),
       'busy', (select coalesce(jsonb_agg(heard.name), '[]') from heard
                where not exists (select from renewed where renewed.name = heard.name)),
       'moved', (select coalesce(jsonb_agg(h.name), '[]') from home h where not exists (
           select from bot_sessions s where s.name = h.name and s.attach_epoch = h."attachEpoch" and s.state <> 'CLOSED')),
       'changed', (select coalesce(jsonb_agg(h), '[]')
                   from jsonb_to_recordset($7::jsonb) as h(name text, "leaseId" uuid, state text)
                   where not exists (
                     select from open_leases l where l.id = h."leaseId" and l.session_name = h.name and l.state = h.state)),
       'quarantined', (select coalesce(jsonb_agg(jsonb_build_object(
           'instance', instance, 'botId', bot_id, 'reason', quarantine_reason)), '[]')
         from bots where quarantine_reason is not null),
       'drains', (select coalesce(jsonb_agg(jsonb_build_object(
           'instance', instance, 'pattern', pattern, 'note', note)), '[]')
         from drains where expires_at is null or expires_at > farm_now()),
       'hotRequirements', (select coalesce(jsonb_agg(id), '[]') from hot where id is not null),
       'hotDevices', (select coalesce(jsonb_agg(d.id), '[]') from unnest($6::bigint[]) as d(id) where exists (
           select from open_jobs j where j.device_id = d.id and j.state = 'QUEUED' and j.held_by is null)),
       'hotBots', (select coalesce(jsonb_agg(jsonb_build_object('instance', s.instance, 'botId', s.bot_id)), '[]')
         from home h join bot_sessions s on s.name = h.name
         where exists (select from open_jobs j where j.instance = s.instance and j.requested_bot_id = s.bot_id
                         and j.state = 'QUEUED' and j.held_by is null and j.device_id is null)),
       'restored', (select coalesce(bool_or(m.database_mark <> database_mark()), false) from farm_marks m),
       'restores', (select coalesce(max(number), 0) from restores),
       'resumes', (select coalesce(jsonb_object_agg(instance, restore), '{}') from bridge_resumes),
       'sessions', (select coalesce(jsonb_agg(s), '[]') from (
           select instance, status, count(*) as n from bot_sessions where state = 'OPEN' group by instance, status) s),
       'due', jsonb_build_object(
         'sessions', exists (select from bot_sessions where state = 'OPEN' and expires_at < farm_now()),
         'leases', exists (select from open_leases where state = 'PENDING' and granted_at < farm_now() - interval '1 second')
           or exists (select from open_leases where state = 'CANCELLING')
           or exists (select from open_leases where state = 'ACTIVE' and execution_deadline < farm_now())
           or exists (select from bot_sessions where state = 'LAPSED'),
         'jobs', exists (select from open_jobs where state = 'QUEUED' and queue_deadline < farm_now())
           or exists (select from open_jobs where state = 'QUEUED' and match_deadline < farm_now())
           or exists (select from open_jobs where expires_at < farm_now()),
         'gates', exists (select from open_jobs where state = 'QUEUED' and held_by in ('GATE_TURN', 'GATE'))
           or exists (select from open_jobs where state = 'QUEUED' and gate_cleared_until < farm_now()),
         'lanes', exists (select from lanes where due_at < farm_now()),
         'leftovers', exists (select from bot_sessions where state = 'CLOSED' and closed_at < farm_now() - interval '1 day')
           or exists (select from enqueue_requests where at < farm_now() - interval '1 day')
           or exists (select from tallies offset 256))
     ) as answer`;

export const tick = async (db: Queryable, ask: TickAsk): Promise<TickAnswer> => {
  const { rows } = await db.query<{ answer: TickAnswer }>(TICK, [
    ask.replica,
    ask.ttlMs,
    ask.amnestyAfterMs,
    asJson(ask.renew),
    asJson(ask.home),
    ask.deviceIds,
    asJson(ask.held),
  ]);
  const [row] = rows;
  if (row === undefined) throw new Error('the tick returned no row');
  return row.answer;
};

export const forgetReplica = async (db: Queryable, replica: string): Promise<void> => {
  await db.query('delete from replicas where id = $1', [replica]);
};
