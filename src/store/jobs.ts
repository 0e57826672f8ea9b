/**
 * The jobs table: what the transitions read and write. Hot statements name `open_jobs`, or the open states as constants, so that
 * PostgreSQL plans and locks no day of history for them.
 */
import type { Constraint } from '../core/match.ts';
import type { FailureCause, HeldBy, JobState } from '../core/job.ts';
import type { StationWork } from '../core/station-work.ts';
import type { Verdict } from '../core/verdict.ts';
import { asJson, type Queryable } from './transaction.ts';

/** A job as the transitions need it; bytes of its payload are read only where they are handed out. */
export type JobRow = {
  readonly id: number;
  readonly instance: string;
  readonly station: string;
  readonly testIds: readonly string[];
  readonly requirementId: number;
  readonly deviceId: number | null;
  readonly requestedBotId: string | null;
  readonly priority: number;
  readonly route: string | null;
  readonly onFailed: 'stop' | 'continue';
  /** One more for each that an outage of the farm's own has cost. */
  attemptsMax: number;
  readonly executionTimeoutMs: number | null;
  /** Of the enqueueing; null: not traced. */
  readonly traceparent: string | null;
  state: JobState;
  heldBy: HeldBy | null;
  heldReason: string | null;
  attempts: number;
  refusals: number;
  avoidedBots: readonly string[];
  gateClearedUntil: Date | null;
  botId: string | null;
  cancelReason: string | null;
  verdict: Verdict | null;
  failure: FailureCause | null;
  /** google.rpc.Code of the lease that ended it, where that was none of ours to judge; null: OK, or not ended by a lease. */
  leaseCode: number | null;
  reason: string | null;
  resultType: string | null;
  /** Base64, since rows travel to the database as JSON. */
  result: string | null;
  queuedAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
};

/** Shared by every statement that reads a JobRow. */
export const JOB_COLUMNS = `
  j.id, j.instance, j.station, j.requirement_id as "requirementId", j.device_id as "deviceId",
  j.requested_bot_id as "requestedBotId", j.priority, j.route, j.on_failed as "onFailed",
  j.attempts_max as "attemptsMax", j.execution_timeout_ms as "executionTimeoutMs", j.state, j.held_by as "heldBy",
  j.held_reason as "heldReason", j.attempts, j.refusals, j.avoided_bots as "avoidedBots",
  j.gate_cleared_until as "gateClearedUntil", j.bot_id as "botId", j.cancel_reason as "cancelReason", j.verdict,
  j.failure, j.lease_code as "leaseCode", j.reason, j.result_type as "resultType", encode(j.result, 'base64') as result,
  j.traceparent, j.queued_at as "queuedAt", j.started_at as "startedAt", j.ended_at as "endedAt",
  array(select t ->> 'testId' from jsonb_array_elements(j.work -> 'tests') t) as "testIds"`;

/**
 * Locks the named jobs and those that the named sessions hold, by id; then the held jobs of their DUTs' routes, which
 * wait for the end of one of them. The second look is a statement of its own: while the first waited for a lock, an
 * enqueue may have committed a mate that the first one's snapshot cannot show. A named job that has ended comes too, and not
 * locked: it never changes. One that ends while it is waited for moves, which is a serialisation failure; the next try sees it.
 */
export const lockJobs = async (
  db: Queryable,
  wanted: { readonly jobIds: readonly number[]; readonly sessionNames: readonly string[] },
): Promise<JobRow[]> => {
  const { rows: named } = await db.query<JobRow>(
    `select ${JOB_COLUMNS} from open_jobs j
     where j.id in (
       select unnest($1::bigint[]) union all select job_id from open_leases where session_name = any($2::text[]))
     order by j.id for update of j`,
    [wanted.jobIds, wanted.sessionNames],
  );
  const open = new Set(named.map(({ id }) => id));
  const ended = await readEnded(
    db,
    wanted.jobIds.filter((id) => !open.has(id)),
  );
  const routed = named.filter((job) => job.route !== null);
  if (routed.length === 0) return [...named, ...ended];
  const { rows: mates } = await db.query<JobRow>(
    `select ${JOB_COLUMNS} from open_jobs j
     where j.state = 'QUEUED' and j.held_by is not null and not j.id = any($2::bigint[])
       and (j.device_id, j.route) in (
         select r."deviceId", r.route from jsonb_to_recordset($1::jsonb) as r("deviceId" bigint, route text))
     order by j.id for update of j`,
    [asJson(routed.map(({ deviceId, route }) => ({ deviceId, route }))), named.map(({ id }) => id)],
  );
  return [...named, ...ended, ...mates];
};

const readEnded = async (db: Queryable, ids: readonly number[]): Promise<JobRow[]> => {
  if (ids.length === 0) return [];
  const { rows } = await db.query<JobRow>(
    `select ${JOB_COLUMNS} from finished_jobs j where j.id = any($1::bigint[]) order by j.id`,
    [ids],
  );
  return rows;
};

/** What of a job a transition may change; nothing else travels. */
const writtenOf = ({
  instance: _instance,
  station: _station,
  testIds: _testIds,
  requirementId: _requirementId,
  deviceId: _deviceId,
  requestedBotId: _requestedBotId,
  priority: _priority,
  route: _route,
  onFailed: _onFailed,
  executionTimeoutMs: _executionTimeoutMs,
  traceparent: _traceparent,
  ...written
}: JobRow) => written;

/**
 * Writes back every column a transition may change. The ids are given twice, so that no plan reads more than those. By way of the
 * parent: a job that ends so moves to the day of its end.
 */
export const updateJobs = async (db: Queryable, jobs: readonly JobRow[]): Promise<void> => {
  if (jobs.length === 0) return;
  await db.query(
    `update jobs j set
       state = r.state, held_by = r."heldBy", held_reason = r."heldReason", attempts = r.attempts,
       attempts_max = r."attemptsMax", refusals = r.refusals, avoided_bots = r."avoidedBots", gate_cleared_until = r."gateClearedUntil",
       bot_id = r."botId", cancel_reason = r."cancelReason", verdict = r.verdict, failure = r.failure,
       lease_code = r."leaseCode", reason = r.reason, result_type = r."resultType", result = decode(r.result, 'base64'),
       queued_at = r."queuedAt", started_at = r."startedAt", ended_at = r."endedAt"
     from jsonb_to_recordset($1::jsonb) as r(
       id bigint, state text, "heldBy" text, "heldReason" text, attempts integer, "attemptsMax" integer, refusals integer,
       "avoidedBots" text[], "gateClearedUntil" timestamptz, "botId" text, "cancelReason" text, verdict text,
       failure text, "leaseCode" integer, reason text, "resultType" text, result text, "queuedAt" timestamptz, "startedAt" timestamptz,
       "endedAt" timestamptz)
     where j.id = r.id and j.id = any($2::bigint[]) and j.state in ('QUEUED', 'LEASED', 'CANCELLING')`,
    [asJson(jobs.map(writtenOf)), jobs.map(({ id }) => id)],
  );
};

/** What a grant may take, with what is needed to make its payload. */
export type Candidate = {
  readonly id: number;
  readonly requirementId: number;
  readonly deviceId: number | null;
  readonly requestedBotId: string | null;
  readonly priority: number;
  readonly avoidedBots: readonly string[];
  /** The shopfloor was told that it starts, so it goes before all others. */
  readonly isCleared: boolean;
};

/** Candidates read for one DUT or bot beyond the one wanted, since the first may avoid that very bot. */
const PINNED_CANDIDATES_MAX = 8;
/** Jobs that avoid some bot, read beside the plain ones, so that they hold up nobody who can take the next one. */
const AVOIDING_CANDIDATES_MAX = 32;

/**
 * Locks the heads of the queues asked for, skipping what others hold. The cost is that of the rows taken, whatever waits
 * behind them.
 */
export const lockCandidates = async (
  db: Queryable,
  queues: {
    readonly classes: readonly { readonly requirementId: number; readonly wanted: number }[];
    readonly deviceIds: readonly number[];
    readonly bots: readonly { readonly instance: string; readonly botId: string; readonly wanted: number }[];
  },
): Promise<Candidate[]> => {
  const columns = `id, requirement_id as "requirementId", device_id as "deviceId",
    requested_bot_id as "requestedBotId", priority, avoided_bots as "avoidedBots",
    gate_cleared_until is not null as "isCleared"`;
  const { rows } = await db.query<Candidate>(
    `with of_classes as (
       select pick.* from jsonb_to_recordset($1::jsonb) as q("requirementId" bigint, wanted integer)
       cross join lateral (
         select ${columns} from open_jobs
         where requirement_id = q."requirementId" and state = 'QUEUED' and held_by is null and device_id is null
           and requested_bot_id is null and avoided_bots = '{}'
         order by priority, id limit q.wanted for update skip locked) pick
     ), avoiding as (
       select pick.* from jsonb_to_recordset($1::jsonb) as q("requirementId" bigint, wanted integer)
       cross join lateral (
         select ${columns} from open_jobs
         where requirement_id = q."requirementId" and state = 'QUEUED' and held_by is null and device_id is null
           and requested_bot_id is null and avoided_bots <> '{}'
         order by priority, id limit ${String(AVOIDING_CANDIDATES_MAX)} for update skip locked) pick
     ), of_devices as (
       select pick.* from unnest($2::bigint[]) as q(device_id)
       cross join lateral (
         select ${columns} from open_jobs
         where device_id = q.device_id and state = 'QUEUED' and held_by is null
           -- A clearance that has run out is no leave to start; the tick makes the job ask again.
           and (gate_cleared_until is null or gate_cleared_until > farm_now())
         order by gate_cleared_until is null, priority, id limit ${String(PINNED_CANDIDATES_MAX)}
         for update skip locked) pick
     ), of_bots as (
       select pick.* from jsonb_to_recordset($3::jsonb) as q(instance text, "botId" text, wanted integer)
       cross join lateral (
         select ${columns} from open_jobs
         where instance = q.instance and requested_bot_id = q."botId" and device_id is null and state = 'QUEUED'
           and held_by is null
         order by priority, id limit q.wanted + ${String(PINNED_CANDIDATES_MAX)} for update skip locked) pick
     )
     select * from of_classes union all select * from avoiding
     union all select * from of_devices union all select * from of_bots
     order by "isCleared" desc, priority, id`,
    [asJson(queues.classes), queues.deviceIds, asJson(queues.bots)],
  );
  return rows;
};

/** What a bot is handed: a station's work as submitted; null: so many foreign bytes, which stay with the job. */
export type JobTask = { readonly work: StationWork | null; readonly payloadBytes: number };

/** The jobs about to be granted, already locked, with their work. */
export const readGrantable = async (
  db: Queryable,
  jobIds: readonly number[],
): Promise<ReadonlyMap<number, { readonly row: JobRow; readonly task: JobTask }>> => {
  const { rows } = await db.query<JobRow & JobTask>(
    `select ${JOB_COLUMNS}, j.work, coalesce(octet_length(j.payload), 0) as "payloadBytes"
     from open_jobs j where j.id = any($1::bigint[])`,
    [jobIds],
  );
  return new Map(rows.map(({ work, payloadBytes, ...row }) => [row.id, { row, task: { work, payloadBytes } }]));
};

/**
 * Interns sets of constraints; returns their ids in the order given. Reads before it writes, since nearly always the set
 * is known.
 */
export const internRequirements = async (
  db: Queryable,
  sets: readonly { readonly instance: string; readonly canon: string; readonly constraints: readonly Constraint[] }[],
): Promise<number[]> => {
  const { rows } = await db.query<{ ordinal: number; id: number }>(
    `with asked as (
       select distinct on (r.instance, r.canon) r.* from jsonb_to_recordset($1::jsonb)
         as r(instance text, canon text, constraints jsonb) order by r.instance, r.canon
     ), added as (
       insert into requirements (instance, canon, constraints)
       select a.instance, a.canon, a.constraints from asked a
       where not exists (select from requirements k where k.instance = a.instance and k.canon = a.canon)
       on conflict (instance, canon) do update set canon = excluded.canon
       returning id, instance, canon
     ), known as (
       select k.id, k.instance, k.canon from requirements k join asked a using (instance, canon)
       union select id, instance, canon from added
     )
     select o.ordinal, k.id
     from rows from (jsonb_to_recordset($1::jsonb) as (instance text, canon text)) with ordinality
       as o(instance, canon, ordinal)
     join known k on k.instance = o.instance and k.canon = o.canon
     order by o.ordinal`,
    [asJson(sets)],
  );
  return rows.map((row) => row.id);
};

export const readRequirements = async (
  db: Queryable,
  ids: readonly number[],
): Promise<{ id: number; instance: string; constraints: readonly Constraint[] }[]> => {
  const { rows } = await db.query<{ id: number; instance: string; constraints: readonly Constraint[] }>(
    'select id, instance, constraints from requirements where id = any($1::bigint[])',
    [ids],
  );
  return rows;
};
