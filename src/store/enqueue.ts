/** What enqueueing asks and writes. One instance enqueues at a time: see `lockEnqueues`. */
import type { ReservationTicket } from '../core/job-request.ts';
import type { HeldBy } from '../core/job.ts';
import type { StationWork } from '../core/station-work.ts';
import type { Begun } from '../core/trace.ts';
import type { Serial } from './devices.ts';
import { asJson, type Queryable } from './transaction.ts';

/**
 * Orders the enqueues of an instance over all replicas, first of all locks. What is then read of request ids, queue
 * length and routes is still true at the commit, and the ids of one DUT's jobs are in enqueue order. It costs little:
 * callers share commits, so that a replica holds it once a commit and not once a job.
 */
export const lockEnqueues = async (db: Queryable, instance: string): Promise<void> => {
  await db.query(`select pg_advisory_xact_lock(hashtextextended('enqueue:' || $1, 0))`, [instance]);
};

export type RequestKey = { readonly instance: string; readonly requestId: string };
export type SeenRequest = RequestKey & { readonly fingerprint: string; readonly jobId: number };

/** Requests of these ids that are still remembered. */
export const readSeenRequests = async (
  db: Queryable,
  keys: readonly RequestKey[],
  rememberedMs: number,
): Promise<SeenRequest[]> => {
  if (keys.length === 0) return [];
  const { rows } = await db.query<SeenRequest>(
    `select e.instance, e.request_id as "requestId", e.fingerprint, e.job_id as "jobId" from enqueue_requests e
     join jsonb_to_recordset($1::jsonb) as r(instance text, "requestId" text)
       on e.instance = r.instance and e.request_id = r."requestId"
     where e.at > farm_now() - $2 * interval '1 millisecond'`,
    [asJson(keys), rememberedMs],
  );
  return rows;
};

/** One that was remembered for long enough gives its place to the new one. */
export const rememberRequests = async (db: Queryable, requests: readonly SeenRequest[]): Promise<void> => {
  if (requests.length === 0) return;
  await db.query(
    `insert into enqueue_requests (instance, request_id, fingerprint, job_id)
     select instance, "requestId", fingerprint, "jobId"
     from jsonb_to_recordset($1::jsonb) as r(instance text, "requestId" text, fingerprint text, "jobId" bigint)
     on conflict (instance, request_id) do update
       set fingerprint = excluded.fingerprint, job_id = excluded.job_id, at = excluded.at`,
    [asJson(requests)],
  );
};

/** Those of the names that are taken. */
export const readReservationNames = async (db: Queryable, names: readonly string[]): Promise<ReadonlySet<string>> => {
  if (names.length === 0) return new Set();
  const { rows } = await db.query<{ name: string }>(
    `select reservation ->> 'name' as name from jobs
     where reservation is not null and reservation ->> 'name' = any($1::text[])`,
    [names],
  );
  return new Set(rows.map((row) => row.name));
};

/** Queued jobs of an instance, held ones included. */
export const countQueued = async (db: Queryable, instance: string): Promise<number> => {
  const { rows } = await db.query<{ n: number }>(
    `select coalesce(sum(n), 0)::bigint as n from tallies
     where family = 'job' and instance = $1 and state = 'QUEUED'`,
    [instance],
  );
  return rows[0]?.n ?? 0;
};

/** How many serials these devices have. */
export const countSerials = async (
  db: Queryable,
  deviceIds: readonly number[],
): Promise<ReadonlyMap<number, number>> => {
  if (deviceIds.length === 0) return new Map();
  const { rows } = await db.query<{ deviceId: number; n: number }>(
    `select device_id as "deviceId", count(*)::bigint as n from device_serials
     where device_id = any($1::bigint[]) group by device_id`,
    [deviceIds],
  );
  return new Map(rows.map((row) => [row.deviceId, row.n]));
};

/** New DUTs with their lanes; their ids, ascending. */
export const insertDevices = async (db: Queryable, instance: string, count: number): Promise<number[]> => {
  if (count === 0) return [];
  const { rows } = await db.query<{ id: number }>(
    `with made as (
       insert into devices (instance) select $1 from generate_series(1, $2::integer) returning id, instance
     ), laned as (insert into lanes (device_id, instance) select id, instance from made)
     select id from made order by id`,
    [instance, count],
  );
  return rows.map((row) => row.id);
};

/** Under `lockSerials`, and none of them taken. */
export const insertSerials = async (
  db: Queryable,
  serials: readonly (Serial & { readonly instance: string; readonly deviceId: number })[],
): Promise<void> => {
  if (serials.length === 0) return;
  await db.query(
    `insert into device_serials (instance, name, value, device_id)
     select instance, name, value, "deviceId"
     from jsonb_to_recordset($1::jsonb) as r(instance text, name text, value text, "deviceId" bigint)`,
    [asJson(serials)],
  );
};

/** A job on a DUT's route that has not ended. */
export type RouteMate = {
  readonly deviceId: number;
  readonly route: string;
  readonly id: number;
  readonly heldBy: HeldBy | null;
  readonly heldReason: string | null;
};

/**
 * The jobs of these routes that have not ended, oldest first. Locked against ending: a job that is ending now is waited
 * for, so that nothing is queued behind what has just gone.
 */
export const lockRouteMates = async (
  db: Queryable,
  routes: readonly { readonly deviceId: number; readonly route: string }[],
): Promise<RouteMate[]> => {
  if (routes.length === 0) return [];
  const { rows } = await db.query<RouteMate>(
    `select j.device_id as "deviceId", j.route, j.id, j.held_by as "heldBy", j.held_reason as "heldReason"
     from open_jobs j
     where (j.device_id, j.route) in (
         select r."deviceId", r.route from jsonb_to_recordset($1::jsonb) as r("deviceId" bigint, route text))
     order by j.id for share`,
    [asJson(routes)],
  );
  return rows;
};

/** Why DUTs are held, of those that are; locked, so that a hold that is being made is waited for. */
export const lockDeviceHolds = async (
  db: Queryable,
  deviceIds: readonly number[],
): Promise<ReadonlyMap<number, string>> => {
  if (deviceIds.length === 0) return new Map();
  const { rows } = await db.query<{ id: number; heldReason: string | null }>(
    `select id, held_reason as "heldReason" from devices where id = any($1::bigint[]) order by id for share`,
    [deviceIds],
  );
  return new Map(rows.flatMap(({ id, heldReason }) => (heldReason === null ? [] : [[id, heldReason] as const])));
};

/** Ascending. Drawn after the locks, so that their order is the order of commits. */
export const drawJobIds = async (db: Queryable, count: number): Promise<number[]> => {
  const { rows } = await db.query<{ id: number }>(
    `select nextval('job_ids') as id from generate_series(1, $1::integer)`,
    [count],
  );
  return rows.map((row) => row.id).sort((a, b) => a - b);
};

export type NewJob = {
  readonly id: number;
  readonly instance: string;
  readonly requestId: string;
  readonly heldBy: HeldBy | null;
  readonly heldReason: string | null;
  readonly station: string;
  readonly work: StationWork | null;
  readonly payloadType: string | null;
  /** Base64, since rows travel to the database as JSON. */
  readonly payload: string | null;
  readonly requirementId: number;
  readonly deviceId: number | null;
  readonly requestedBotId: string | null;
  readonly priority: number;
  readonly route: string | null;
  readonly onFailed: 'stop' | 'continue';
  readonly attemptsMax: number;
  readonly reservation: ReservationTicket | null;
  readonly queueTimeoutMs: number | null;
  readonly matchTimeoutMs: number | null;
  readonly executionTimeoutMs: number | null;
  readonly expiresAt: Date | null;
  /** Null: not traced. */
  readonly trace: Begun | null;
};

/** All deadlines are counted from one reading of the database's clock. */
export const insertJobs = async (db: Queryable, jobs: readonly NewJob[]): Promise<void> => {
  if (jobs.length === 0) return;
  await db.query(
    `with clock as materialized (select farm_now() as now)
     insert into open_jobs (id, instance, request_id, state, held_by, held_reason, station, work, payload_type, payload,
                       requirement_id, device_id, requested_bot_id, priority, route, on_failed, attempts_max,
                       reservation, queue_deadline, match_deadline, execution_timeout_ms, expires_at, enqueued_at,
                       queued_at, traceparent)
     select r.id, r.instance, r."requestId", 'QUEUED', r."heldBy", r."heldReason", r.station, r.work,
            r."payloadType", decode(r.payload, 'base64'), r."requirementId", r."deviceId", r."requestedBotId",
            r.priority, r.route, r."onFailed", r."attemptsMax", r.reservation,
            clock.now + r."queueTimeoutMs" * interval '1 millisecond',
            clock.now + r."matchTimeoutMs" * interval '1 millisecond', r."executionTimeoutMs", r."expiresAt",
            clock.now, clock.now, r.trace ->> 'traceparent'
     from clock cross join jsonb_to_recordset($1::jsonb) as r(
       id bigint, instance text, "requestId" text, "heldBy" text, "heldReason" text, station text, work jsonb,
       "payloadType" text, payload text, "requirementId" bigint, "deviceId" bigint, "requestedBotId" text,
       priority integer, route text, "onFailed" text, "attemptsMax" integer, reservation jsonb,
       "queueTimeoutMs" bigint, "matchTimeoutMs" bigint, "executionTimeoutMs" bigint, "expiresAt" timestamptz, trace jsonb)
     order by r.id`,
    [asJson(jobs)],
  );
};
