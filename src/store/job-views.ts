/** Jobs as people and programs see them: everything a door shows, in one read. */
import type { ReservationTicket } from '../core/job-request.ts';
import type { FailureCause, HeldBy, JobState } from '../core/job.ts';
import type { OpenLeaseState } from '../core/lease.ts';
import type { Constraint } from '../core/match.ts';
import type { StationWork } from '../core/station-work.ts';
import type { TestResult } from '../core/test-result.ts';
import type { Verdict } from '../core/verdict.ts';
import { CLOCK_BACK_MAX_MS } from './farm-events.ts';
import type { Queryable } from './transaction.ts';

export type JobViewRow = {
  readonly id: number;
  readonly instance: string;
  readonly requestId: string;
  readonly station: string;
  readonly work: StationWork | null;
  readonly payloadType: string | null;
  readonly payload: Buffer | null;
  readonly constraints: readonly Constraint[];
  readonly deviceId: number | null;
  readonly serials: Readonly<Record<string, string>>;
  readonly requestedBotId: string | null;
  readonly priority: number;
  readonly route: string | null;
  readonly onFailed: 'stop' | 'continue';
  readonly attemptsMax: number;
  readonly queueTimeoutMs: number | null;
  readonly executionTimeoutMs: number | null;
  readonly expiresAt: Date | null;
  readonly reservation: ReservationTicket | null;
  readonly state: JobState;
  readonly heldBy: HeldBy | null;
  readonly heldReason: string | null;
  readonly attempts: number;
  readonly avoidedBots: readonly string[];
  readonly verdict: Verdict | null;
  readonly failure: FailureCause | null;
  /** google.rpc.Code of the lease that ended it with an error; null: no lease did. */
  readonly leaseCode: number | null;
  readonly reason: string | null;
  readonly cancelReason: string | null;
  readonly resultType: string | null;
  readonly result: Buffer | null;
  readonly botId: string | null;
  readonly leaseId: string | null;
  readonly leaseState: OpenLeaseState | null;
  readonly enqueuedAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
};

const COLUMNS = `
  j.id, j.instance, j.request_id as "requestId", j.station, j.work, j.payload_type as "payloadType", j.payload,
  q.constraints, j.device_id as "deviceId",
  coalesce((select jsonb_object_agg(s.name, s.value order by s.added) from device_serials s
            where s.device_id = j.device_id), '{}') as serials,
  j.requested_bot_id as "requestedBotId", j.priority, j.route, j.on_failed as "onFailed",
  j.attempts_max as "attemptsMax",
  round(extract(epoch from j.queue_deadline - j.enqueued_at) * 1000)::bigint as "queueTimeoutMs",
  j.execution_timeout_ms as "executionTimeoutMs", j.expires_at as "expiresAt", j.reservation, j.state,
  j.held_by as "heldBy", j.held_reason as "heldReason", j.attempts, j.avoided_bots as "avoidedBots", j.verdict,
  j.failure, j.lease_code as "leaseCode", j.reason, j.cancel_reason as "cancelReason", j.result_type as "resultType", j.result, j.bot_id as "botId",
  l.id as "leaseId", l.state as "leaseState",
  j.enqueued_at as "enqueuedAt", j.started_at as "startedAt", j.ended_at as "endedAt"`;

const joined = (jobs: 'open_jobs' | 'finished_jobs' | 'jobs'): string =>
  `${jobs} j join requirements q on q.id = j.requirement_id left join open_leases l on l.job_id = j.id`;

const OPEN_VIEWS = `select ${COLUMNS} from ${joined('open_jobs')} where j.id = any($1::bigint[])`;
const FINISHED_VIEWS = `select ${COLUMNS} from ${joined('finished_jobs')} where j.id = any($1::bigint[])`;

/** In no particular order; ids unknown are absent. History is asked for those that are not open, and after it: nothing moves back. */
export const readJobViews = async (db: Queryable, ids: readonly number[]): Promise<ReadonlyMap<number, JobViewRow>> => {
  if (ids.length === 0) return new Map();
  const { rows: open } = await db.query<JobViewRow>(OPEN_VIEWS, [ids]);
  const views = new Map(open.map((row) => [row.id, row]));
  const others = ids.filter((id) => !views.has(id));
  if (others.length === 0) return views;
  const { rows: finished } = await db.query<JobViewRow>(FINISHED_VIEWS, [others]);
  for (const row of finished) views.set(row.id, row);
  return views;
};

/** Null: there is no such job in that instance. */
export const readJobView = async (db: Queryable, instance: string, id: number): Promise<JobViewRow | null> => {
  const row = (await readJobViews(db, [id])).get(id);
  return row?.instance === instance ? row : null;
};

/** By the name its client chose. Null: no reservation of that name came to that instance. */
export const readReservedJobView = async (
  db: Queryable,
  instance: string,
  name: string,
): Promise<JobViewRow | null> => {
  const { rows } = await db.query<JobViewRow>(
    `select ${COLUMNS} from ${joined('jobs')}
     where j.reservation is not null and j.reservation ->> 'name' = $1 and j.instance = $2`,
    [name, instance],
  );
  return rows[0] ?? null;
};

/** The results that count of its last attempt, in the order in which they came: the first so many bytes, and how many are left out. */
export const readAttemptResults = async (
  db: Queryable,
  job: Pick<JobViewRow, 'id' | 'attempts' | 'startedAt'>,
  bytesMax: number,
): Promise<{ readonly results: readonly TestResult[]; readonly leftOut: number }> => {
  // No attempt has begun. One that has says since when, and no day before it is looked at.
  if (job.startedAt === null) return { results: [], leftOut: 0 };
  const { rows } = await db.query<{ result: TestResult | null }>(
    `select case when sum(octet_length(result::text)) over (order by id) <= $4 then result end as result
     from test_results where job_id = $1 and attempt = $2 and at >= $3 and not stale order by id`,
    [job.id, job.attempts, new Date(job.startedAt.getTime() - CLOCK_BACK_MAX_MS), bytesMax],
  );
  const results = rows.flatMap(({ result }) => result ?? []);
  return { results, leftOut: rows.length - results.length };
};

/** What a list of jobs may be narrowed to. Null or empty: not narrowed. */
export type JobFilter = {
  readonly instance: string;
  readonly states: readonly JobState[];
  readonly station: string | null;
  readonly route: string | null;
  /** The value of any serial of its DUT. */
  readonly serial: string | null;
};

/**
 * Ids of one page, newest first, with the bytes that each job's task and constraints would add to an answer.
 * @param below only ids lower than this; null: from the newest on.
 */
export const readJobPage = async (
  db: Queryable,
  filter: JobFilter,
  page: { readonly below: number | null; readonly limit: number },
): Promise<{ readonly id: number; readonly bytes: number }[]> => {
  const { rows } = await db.query<{ id: number; bytes: number }>(
    `select j.id, coalesce(octet_length(j.payload), octet_length(j.work::text)) + coalesce(octet_length(j.result), 0)
              + (select octet_length(q.constraints::text) from requirements q where q.id = j.requirement_id) as bytes
     from jobs j
     where j.instance = $1 and ($2::bigint is null or j.id < $2)
       and (cardinality($3::text[]) = 0 or j.state = any($3))
       and ($4::text is null or j.station = $4) and ($5::text is null or j.route = $5)
       and ($6::text is null or j.device_id in (
         select s.device_id from device_serials s where s.instance = $1 and s.value = $6))
     order by j.id desc limit $7`,
    [filter.instance, page.below, filter.states, filter.station, filter.route, filter.serial, page.limit],
  );
  return rows;
};
