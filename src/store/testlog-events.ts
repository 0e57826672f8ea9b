/** What DUTs told by Testlog: their events, each once; the runs of tests that these are about; and what nobody could read. */
import { type BadEvent, progressOf, type ToldEvent } from '../core/testlog.ts';
import { asJson, type Queryable } from './transaction.ts';

export type Origin = {
  readonly instance: string;
  /** As the uploader calls itself; null: it did not say. */
  readonly nodeId: string | null;
  /** An address. */
  readonly peer: string;
};

export type PlacedEvent = ToldEvent & { readonly deviceId: number | null };

/** The uuids of those that were not there before. */
export const insertTestlogEvents = async (
  db: Queryable,
  { instance, nodeId, peer }: Origin,
  events: readonly PlacedEvent[],
): Promise<ReadonlySet<string>> => {
  const rows = events.map(({ run: _, serials: __, ...row }) => row);
  const { rows: kept } = await db.query<{ uuid: string }>(
    `with now as materialized (select farm_now() as at)
     insert into testlog_events
       (instance, uuid, type, device_id, test_run_id, received_at, dut_time, node_id, peer, event, attachments)
     select $1, r.uuid, r.type, r."deviceId", r."testRunId", now.at, r."dutTime", $2, $3,
       r.event || jsonb_build_object('time', extract(epoch from now.at), 'dutTime', r."dutTime", '__testlog__', true),
       r.attachments
     from now, jsonb_to_recordset($4::jsonb) as r(uuid text, type text, "deviceId" bigint, "testRunId" text,
       "dutTime" double precision, event jsonb, attachments jsonb)
     -- In one order, so that batches that hold the same events wait for each other and not in a circle.
     order by r.uuid
     on conflict do nothing
     returning uuid`,
    [instance, nodeId, peer, asJson(rows)],
  );
  return new Set(kept.map(({ uuid }) => uuid));
};

/** The furthest event of each run stands; of two that are as far, the later by the DUT's own count, then by its clock. */
export const upsertTestlogRuns = async (
  db: Queryable,
  instance: string,
  events: readonly PlacedEvent[],
): Promise<void> => {
  const rows = events.flatMap(({ run, uuid, deviceId, seq, dutTime }) => {
    if (run === null) return [];
    const { result: _, ...told } = run;
    return [{ ...told, uuid, deviceId, seq, dutTime, progress: progressOf(run.status) }];
  });
  if (rows.length === 0) return;
  await db.query(
    `insert into testlog_runs (instance, test_run_id, uuid, device_id, test_name, test_type, status, progress, seq,
       dut_time, started_at, ended_at, duration_s)
     select distinct on (r."testRunId") $1, r."testRunId", r.uuid, r."deviceId", r."testName", r."testType", r.status,
       r.progress, r.seq, r."dutTime", r."startedAt", r."endedAt", r."durationS"
     from jsonb_to_recordset($2::jsonb) as r("testRunId" text, uuid text, "deviceId" bigint, "testName" text,
       "testType" text, status text, progress smallint, seq bigint, "dutTime" double precision,
       "startedAt" double precision, "endedAt" double precision, "durationS" double precision)
     order by r."testRunId", r.progress desc, coalesce(r.seq, -1) desc, r."dutTime" desc, r.uuid
     on conflict (instance, test_run_id) do update
     set uuid = excluded.uuid, device_id = coalesce(excluded.device_id, testlog_runs.device_id),
       test_name = excluded.test_name, test_type = excluded.test_type, status = excluded.status,
       progress = excluded.progress, seq = excluded.seq, dut_time = excluded.dut_time,
       started_at = excluded.started_at, ended_at = excluded.ended_at, duration_s = excluded.duration_s
     where (excluded.progress, coalesce(excluded.seq, -1), excluded.dut_time)
       > (testlog_runs.progress, coalesce(testlog_runs.seq, -1), testlog_runs.dut_time)`,
    [instance, asJson(rows)],
  );
};

export type AttachedRun = { readonly testRunId: string; readonly jobId: number; readonly leaseId: string };

/** From now on the results of that lease have these runs too. */
export const attachRuns = async (db: Queryable, instance: string, runs: readonly AttachedRun[]): Promise<void> => {
  if (runs.length === 0) return;
  await db.query(
    `update testlog_runs t set job_id = r."jobId", lease_id = r."leaseId"
     from jsonb_to_recordset($2::jsonb) as r("testRunId" text, "jobId" bigint, "leaseId" uuid)
     where t.instance = $1 and t.test_run_id = r."testRunId"`,
    [instance, asJson(runs)],
  );
};

/** One that was put aside before is counted again. */
export const insertQuarantinedEvents = async (
  db: Queryable,
  { instance, nodeId, peer }: Origin,
  events: readonly BadEvent[],
): Promise<void> => {
  if (events.length === 0) return;
  const rows = events.map(({ event, ...bad }) => ({
    ...bad,
    event: event === null ? null : Buffer.from(event).toString('base64'),
  }));
  await db.query(
    `insert into quarantined_events (instance, node_id, peer, sha256, bytes, reason, event, path, attachments, times)
     select $1, $2, $3, decode(r.sha256, 'hex'), min(r.bytes), min(r.reason), decode(min(r.event), 'base64'), min(r.path),
       (array_agg(r.attachments))[1], count(*)
     from jsonb_to_recordset($4::jsonb) as r(sha256 text, bytes bigint, reason text, event text, path text,
       attachments jsonb)
     group by r.sha256 order by r.sha256
     on conflict (instance, sha256) do update
     set times = quarantined_events.times + excluded.times, last_at = farm_now(), reason = excluded.reason,
       peer = excluded.peer, node_id = excluded.node_id`,
    [instance, nodeId, peer, asJson(rows)],
  );
};

export type QuarantinedEvent = {
  readonly id: number;
  readonly instance: string;
  readonly reason: string;
  readonly nodeId: string | null;
  readonly peer: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Its beginning, as text; null: it is in the file. */
  readonly event: string | null;
  readonly path: string | null;
  readonly times: number;
  readonly firstAt: Date;
  readonly lastAt: Date;
};

/** So much of each is shown. */
const SHOWN_BYTES = 2048;

/** The newest first. @param before an id, from which on nothing is shown; null: from the newest. @param instance null: all. */
export const readQuarantinedEvents = async (
  db: Queryable,
  instance: string | null,
  { before, limit }: { readonly before: number | null; readonly limit: number },
): Promise<readonly QuarantinedEvent[]> => {
  const { rows } = await db.query<Omit<QuarantinedEvent, 'event'> & { event: Buffer | null }>(
    `select id, instance, reason, node_id as "nodeId", peer, bytes::float8 as bytes, encode(sha256, 'hex') as sha256,
       substr(event, 1, $4::integer) as event, path, times::float8 as times, first_at as "firstAt", last_at as "lastAt"
     from quarantined_events
     where ($1::text is null or instance = $1) and ($2::bigint is null or id < $2) order by id desc limit $3`,
    [instance, before, limit, SHOWN_BYTES],
  );
  return rows.map(({ event, ...row }) => ({ ...row, event: event === null ? null : event.toString('utf8') }));
};

/**
 * What is older than so many days goes, and of the events that were put aside those beyond so many; of each table so many rows
 * at most. Returns how many went.
 */
export const forgetTestlog = async (
  db: Queryable,
  { keepDays, quarantinedMax }: { readonly keepDays: number; readonly quarantinedMax: number },
  rowsMax: number,
): Promise<number> => {
  const gone = [
    await db.query(
      `delete from testlog_events where (instance, uuid) in (
         select instance, uuid from testlog_events where received_at < farm_now() - $1::integer * interval '1 day'
         order by received_at limit $2)`,
      [keepDays, rowsMax],
    ),
    await db.query(
      `delete from testlog_runs where (instance, test_run_id) in (
         select instance, test_run_id from testlog_runs where received_at < farm_now() - $1::integer * interval '1 day'
         order by received_at limit $2)`,
      [keepDays, rowsMax],
    ),
    await db.query(
      `delete from quarantined_events where id in (
         select id from quarantined_events where last_at < farm_now() - $1::integer * interval '1 day'
         order by last_at limit $2)`,
      [keepDays, rowsMax],
    ),
    await db.query(
      `delete from quarantined_events where id in (
         select id from quarantined_events order by last_at desc, id desc offset $1 limit $2)`,
      [quarantinedMax, rowsMax],
    ),
  ];
  return gone.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0);
};
