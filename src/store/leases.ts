/** The leases table. Like jobs, leases that end move out of `open_leases`, in the statement that ends them. */
import { isLeaseId, type LeaseState } from '../core/lease.ts';
import type { GrantedWork } from '../core/station-work.ts';
import { asJson, type Queryable } from './transaction.ts';

export type LeaseRow = {
  readonly id: string;
  readonly jobId: number;
  readonly instance: string;
  readonly deviceId: number | null;
  readonly station: string;
  readonly attempt: number;
  readonly gated: boolean;
  readonly lostAfterMs: number;
  readonly grantedAt: Date;
  readonly botId: string;
  /** Null: the DUT runs the station by itself, and no bot has the lease. */
  sessionName: string | null;
  state: LeaseState;
  echoedAt: Date | null;
  /** When its bot first left it out of a report; null: the last one showed it. */
  absentAt: Date | null;
  startedAt: Date | null;
  cancelAskedAt: Date | null;
  executionDeadline: Date | null;
  closedAt: Date | null;
  closedReason: string | null;
  /** When its first test result was stored; null: none was, before this transaction. */
  readonly resultsSince: Date | null;
};

const COLUMNS = `
  l.id, l.job_id as "jobId", l.instance, l.device_id as "deviceId", l.station, l.attempt, l.gated,
  l.lost_after_ms as "lostAfterMs", l.granted_at as "grantedAt", l.bot_id as "botId",
  l.session_name as "sessionName", l.state, l.echoed_at as "echoedAt", l.absent_at as "absentAt", l.started_at as "startedAt",
  l.cancel_asked_at as "cancelAskedAt", l.execution_deadline as "executionDeadline", l.closed_at as "closedAt",
  l.closed_reason as "closedReason", l.results_since as "resultsSince"`;

/** Locks the open leases of these sessions and of these jobs, by id. Their jobs must be locked before. */
export const lockOpenLeases = async (
  db: Queryable,
  wanted: { readonly sessionNames: readonly string[]; readonly jobIds: readonly number[] },
): Promise<LeaseRow[]> => {
  const { rows } = await db.query<LeaseRow>(
    `select ${COLUMNS} from open_leases l
     where l.session_name = any($1::text[]) or l.job_id = any($2::bigint[])
     order by l.id for update`,
    [wanted.sessionNames, wanted.jobIds],
  );
  return rows;
};

/**
 * Leases by id, whatever their state: what a late report is held against. History is asked for those that are not open.
 * @param said by bots: what is no id of a lease here names none.
 */
export const readLeases = async (db: Queryable, said: readonly string[]): Promise<LeaseRow[]> => {
  const ids = said.filter(isLeaseId);
  if (ids.length === 0) return [];
  const { rows: open } = await db.query<LeaseRow>(
    `select ${COLUMNS} from open_leases l where l.id = any($1::uuid[]) order by l.id`,
    [ids],
  );
  const found = new Set(open.map(({ id }) => id));
  const others = ids.filter((id) => !found.has(id));
  if (others.length === 0) return open;
  const { rows: closed } = await db.query<LeaseRow>(
    `select ${COLUMNS} from closed_leases l where l.id = any($1::uuid[]) order by l.id`,
    [others],
  );
  return [...open, ...closed];
};

/** What of a lease a transition may change; nothing else travels. */
const writtenOf = (lease: LeaseRow) => ({
  id: lease.id,
  sessionName: lease.sessionName,
  state: lease.state,
  echoedAt: lease.echoedAt,
  absentAt: lease.absentAt,
  startedAt: lease.startedAt,
  cancelAskedAt: lease.cancelAskedAt,
  executionDeadline: lease.executionDeadline,
  closedAt: lease.closedAt,
  closedReason: lease.closedReason,
});

/** The ids are given twice, so that no plan reads more than those. */
export const updateLeases = async (db: Queryable, leases: readonly LeaseRow[]): Promise<void> => {
  if (leases.length === 0) return;
  await db.query(
    `update leases l set
       session_name = r."sessionName", state = r.state, echoed_at = r."echoedAt", absent_at = r."absentAt", started_at = r."startedAt",
       cancel_asked_at = r."cancelAskedAt", execution_deadline = r."executionDeadline", closed_at = r."closedAt",
       closed_reason = r."closedReason"
     from jsonb_to_recordset($1::jsonb) as r(
       id uuid, "sessionName" text, state text, "echoedAt" timestamptz, "absentAt" timestamptz, "startedAt" timestamptz,
       "cancelAskedAt" timestamptz, "executionDeadline" timestamptz, "closedAt" timestamptz, "closedReason" text)
     where l.id = r.id and l.id = any($2::uuid[]) and l.state in ('PENDING', 'ACTIVE', 'CANCELLING')`,
    [asJson(leases.map(writtenOf)), leases.map(({ id }) => id)],
  );
};

/** How many more leases each of these sessions, which are locked, may have by its capacity. */
export const readRoom = async (
  db: Queryable,
  sessionNames: readonly string[],
): Promise<ReadonlyMap<string, number>> => {
  const { rows } = await db.query<{ name: string; room: number }>(
    `select s.name, greatest(0, s.capacity - (
              select count(*) from open_leases l where l.session_name = s.name)) as room
     from bot_sessions s where s.name = any($1::text[])`,
    [sessionNames],
  );
  return new Map(rows.map(({ name, room }) => [name, room]));
};

/** A grant about to be written. `work` null: the job's own payload is handed out. */
export type NewLease = {
  readonly id: string;
  readonly jobId: number;
  readonly instance: string;
  /** Null: no bot's. */
  readonly sessionName: string | null;
  /** Of no bot's: the address of the DUT. */
  readonly botId: string;
  readonly deviceId: number | null;
  readonly station: string;
  readonly attempt: number;
  readonly gated: boolean;
  readonly work: GrantedWork | null;
  readonly lostAfterMs: number;
};

/**
 * Writes the grants. A DUT that another transaction leased meanwhile, or a job, keeps its one open lease and the grant is
 * left out: the ids that were written come back.
 */
export const insertLeases = async (db: Queryable, leases: readonly NewLease[]): Promise<ReadonlySet<string>> => {
  if (leases.length === 0) return new Set();
  const { rows } = await db.query<{ id: string }>(
    `insert into open_leases (id, job_id, instance, session_name, bot_id, device_id, station, state, attempt, gated,
                         work, lost_after_ms)
     select r.id, r."jobId", r.instance, r."sessionName", r."botId", r."deviceId", r.station, 'PENDING', r.attempt,
            r.gated, r.work, r."lostAfterMs"
     from jsonb_to_recordset($1::jsonb) as r(
       id uuid, "jobId" bigint, instance text, "sessionName" text, "botId" text, "deviceId" bigint, station text,
       attempt integer, gated boolean, work jsonb, "lostAfterMs" bigint)
     -- In one order everywhere: two replicas that lease the same DUTs wait for each other, never in a circle.
     order by r."deviceId" nulls first
     on conflict do nothing
     returning id`,
    [asJson(leases)],
  );
  return new Set(rows.map((row) => row.id));
};

/** A lease as a session's home keeps it in memory, payload and all. */
export type HeldRow = {
  readonly id: string;
  readonly sessionName: string;
  readonly jobId: number;
  readonly station: string;
  readonly deviceId: number | null;
  readonly state: 'PENDING' | 'ACTIVE' | 'CANCELLING';
  readonly attempt: number;
  readonly echoedAt: Date | null;
  readonly absentAt: Date | null;
  readonly grantedAt: Date;
  readonly executionDeadline: Date | null;
  /** Null: foreign work, whose payload follows. */
  readonly work: GrantedWork | null;
  readonly payloadType: string | null;
  readonly payload: Buffer | null;
};

/** The open leases of these sessions with what their bots were given; bots begin them in this order, so the urgent ones lead. */
export const readHeldLeases = async (db: Queryable, sessionNames: readonly string[]): Promise<HeldRow[]> => {
  if (sessionNames.length === 0) return [];
  const { rows } = await db.query<HeldRow>(
    `select l.id, l.session_name as "sessionName", l.job_id as "jobId", l.station, l.device_id as "deviceId", l.state,
            l.attempt, l.echoed_at as "echoedAt", l.absent_at as "absentAt", l.granted_at as "grantedAt",
            l.execution_deadline as "executionDeadline",
            l.work, j.payload_type as "payloadType", j.payload
     from open_leases l join open_jobs j on j.id = l.job_id
     where l.session_name = any($1::text[])
     order by j.priority, j.id`,
    [sessionNames],
  );
  return rows;
};
