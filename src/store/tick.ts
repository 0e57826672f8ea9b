/** The one statement that an idle replica runs: heartbeat, renewal, and what has become due. */
import { asJson, type Queryable } from './transaction.ts';

export type TickAsk = {
  readonly replica: string;
  readonly ttlMs: number;
  readonly amnestyAfterMs: number;
  /** Sessions at home here that were heard of since the last tick, and how long ago, on this machine's monotonic clock. */
  readonly renew: readonly { readonly name: string; readonly attachEpoch: number; readonly ageMs: number }[];
  /** Every session at home here, to learn which of them moved away. */
  readonly home: readonly { readonly name: string; readonly attachEpoch: number }[];
  /** DUTs of idle sessions here: whether something is queued for them. */
  readonly deviceIds: readonly number[];
};

export type TickAnswer = {
  readonly replicas: number;
  /** While true nobody is declared lost: the outage was ours. */
  readonly amnesty: boolean;
  readonly moved: readonly string[];
  /** Sessions at home here with a lease that somebody asked to cancel or closed. */
  readonly cancelling: readonly string[];
  readonly quarantined: readonly { readonly instance: string; readonly botId: string; readonly reason: string }[];
  readonly drains: readonly { readonly instance: string; readonly pattern: string; readonly note: string }[];
  readonly hotRequirements: readonly number[];
  readonly hotDevices: readonly number[];
  readonly hotBots: readonly { readonly instance: string; readonly botId: string }[];
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

/** What is due, as conditions shared with the sweeps that act on them (`store/sweeps.ts`). */
export const tick = async (db: Queryable, ask: TickAsk): Promise<TickAnswer> => {
  const { rows } = await db.query<{ answer: TickAnswer }>(
    `with beat as (
       insert into replicas (id) values ($1)
       on conflict (id) do update set last_seen_at = farm_now() returning id
     ), amnesty as (
       update farm_marks set amnesty_until = farm_now() + $2 * interval '1 millisecond'
       where not exists (
         select from replicas where last_seen_at > farm_now() - $3 * interval '1 millisecond')
       returning amnesty_until
     ), renewed as (
       update bot_sessions s
       set seen_at = farm_now() - r."ageMs" * interval '1 millisecond', state = 'OPEN',
           expires_at = farm_now() - r."ageMs" * interval '1 millisecond' + $2 * interval '1 millisecond'
       from jsonb_to_recordset($4::jsonb) as r(name text, "attachEpoch" bigint, "ageMs" double precision)
       where s.name = r.name and s.attach_epoch = r."attachEpoch" and s.state <> 'CLOSED'
       returning s.name
     ), home as (
       select * from jsonb_to_recordset($5::jsonb) as r(name text, "attachEpoch" bigint)
     )
     select jsonb_build_object(
       'replicas', (select count(*) from replicas
                    where last_seen_at > farm_now() - $3 * interval '1 millisecond' and id <> $1) + (select count(*) from beat),
       'amnesty', exists (select from amnesty) or exists (select from farm_marks where amnesty_until > farm_now()),
       'moved', (select coalesce(jsonb_agg(h.name), '[]') from home h where not exists (
           select from bot_sessions s where s.name = h.name and s.attach_epoch = h."attachEpoch" and s.state <> 'CLOSED')),
       'cancelling', (select coalesce(jsonb_agg(distinct l.session_name), '[]')
                      from leases l join home h on h.name = l.session_name where l.state = 'CANCELLING'),
       'quarantined', (select coalesce(jsonb_agg(jsonb_build_object(
           'instance', instance, 'botId', bot_id, 'reason', quarantine_reason)), '[]')
         from bots where quarantine_reason is not null),
       'drains', (select coalesce(jsonb_agg(jsonb_build_object(
           'instance', instance, 'pattern', pattern, 'note', note)), '[]')
         from drains where expires_at is null or expires_at > farm_now()),
       'hotRequirements', (select coalesce(jsonb_agg(r.id), '[]') from requirements r where exists (
           select from jobs j where j.requirement_id = r.id and j.state = 'QUEUED' and j.held_by is null
             and j.device_id is null and j.requested_bot_id is null)),
       'hotDevices', (select coalesce(jsonb_agg(d.id), '[]') from unnest($6::bigint[]) as d(id) where exists (
           select from jobs j where j.device_id = d.id and j.state = 'QUEUED' and j.held_by is null)),
       'hotBots', (select coalesce(jsonb_agg(jsonb_build_object('instance', q.instance, 'botId', q.requested_bot_id)), '[]')
         from (select distinct instance, requested_bot_id from jobs
               where state = 'QUEUED' and held_by is null and device_id is null and requested_bot_id is not null
               limit 1000) q),
       'sessions', (select coalesce(jsonb_agg(s), '[]') from (
           select instance, status, count(*) as n from bot_sessions where state = 'OPEN' group by instance, status) s),
       'due', jsonb_build_object(
         'sessions', exists (select from bot_sessions where state = 'OPEN' and expires_at < farm_now()),
         'leases', exists (select from leases where state = 'PENDING' and granted_at < farm_now() - interval '1 second')
           or exists (select from leases where state = 'CANCELLING')
           or exists (select from leases where state = 'ACTIVE' and execution_deadline < farm_now())
           or exists (select from bot_sessions where state = 'LAPSED'),
         'jobs', exists (select from jobs where state = 'QUEUED' and queue_deadline < farm_now())
           or exists (select from jobs where state = 'QUEUED' and match_deadline < farm_now())
           or exists (select from jobs where ended_at is null and expires_at < farm_now()),
         'gates', exists (select from jobs where state = 'QUEUED' and held_by in ('GATE_TURN', 'GATE'))
           or exists (select from jobs where state = 'QUEUED' and gate_cleared_until < farm_now()),
         'lanes', exists (select from lanes where due_at < farm_now()),
         'leftovers', exists (select from bot_sessions where state = 'CLOSED' and closed_at < farm_now() - interval '1 day')
           or exists (select from enqueue_requests where at < farm_now() - interval '1 day')
           or exists (select from tallies offset 256))
     ) as answer`,
    [ask.replica, ask.ttlMs, ask.amnestyAfterMs, asJson(ask.renew), asJson(ask.home), ask.deviceIds],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the tick returned no row');
  return row.answer;
};

export const forgetReplica = async (db: Queryable, replica: string): Promise<void> => {
  await db.query('delete from replicas where id = $1', [replica]);
};
