/** The entries of a unit's history in full, kind by kind. What was dropped since its place was read is absent. */
import type { FarmEvent, FarmEventKind } from '../core/farm-event.ts';
import type { FailureCause, HeldBy, JobState } from '../core/job.ts';
import type { LeaseState } from '../core/lease.ts';
import type { UploadKind } from '../core/upload.ts';
import type { Verdict } from '../core/verdict.ts';
import type { ResultNote } from './result-notes.ts';
import type { ResultView } from './result-views.ts';
import type { Queryable } from './transaction.ts';
import type { UnitScope } from './unit-history.ts';

/** What became of a job. */
export type UnitJob = {
  readonly id: number;
  readonly instance: string;
  readonly station: string;
  readonly route: string | null;
  readonly state: JobState;
  readonly heldBy: HeldBy | null;
  readonly heldReason: string | null;
  readonly attempts: number;
  readonly attemptsMax: number;
  readonly verdict: Verdict | null;
  readonly failure: FailureCause | null;
  readonly reason: string | null;
  readonly botId: string | null;
  readonly enqueuedAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
};

/** @param since jobs that ended before are not looked for; so for what follows. */
export const readUnitJobs = async (
  db: Queryable,
  ids: readonly number[],
  since: Date,
): Promise<ReadonlyMap<number, UnitJob>> => {
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<UnitJob>(
    `select j.id, j.instance, j.station, j.route, j.state, j.held_by as "heldBy", j.held_reason as "heldReason", j.attempts,
            j.attempts_max as "attemptsMax", j.verdict, j.failure, coalesce(j.reason, j.cancel_reason) as reason,
            j.bot_id as "botId", j.enqueued_at as "enqueuedAt", j.started_at as "startedAt", j.ended_at as "endedAt"
     from jobs j where j.id = any($1::bigint[]) and (j.ended_at is null or j.ended_at >= $2)`,
    [ids, since],
  );
  return new Map(rows.map((row) => [row.id, row]));
};

export type UnitAttempt = {
  readonly leaseId: string;
  readonly attempt: number;
  readonly botId: string;
  readonly state: LeaseState;
  readonly startedAt: Date | null;
  readonly closedAt: Date | null;
  readonly closedReason: string | null;
};

export const readUnitAttempts = async (
  db: Queryable,
  ids: readonly string[],
  jobIds: readonly number[],
  since: Date,
): Promise<ReadonlyMap<string, UnitAttempt>> => {
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<UnitAttempt>(
    `select l.id as "leaseId", l.attempt, l.bot_id as "botId", l.state, l.started_at as "startedAt",
            l.closed_at as "closedAt", l.closed_reason as "closedReason"
     from leases l
     where l.job_id = any($2::bigint[]) and l.id = any($1::uuid[]) and (l.closed_at is null or l.closed_at >= $3)`,
    [ids, jobIds, since],
  );
  return new Map(rows.map((row) => [row.leaseId, row]));
};

export const readUnitResults = async (
  db: Queryable,
  ids: readonly number[],
  jobIds: readonly number[],
  since: Date,
): Promise<ReadonlyMap<number, ResultView>> => {
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<ResultView & { id: number }>(
    `select t.id, t.attempt, t.lease_id as "leaseId", l.bot_id as "botId", t.stale, t.at, t.result
     from test_results t
     join leases l on l.id = t.lease_id and l.job_id = t.job_id and (l.closed_at is null or l.closed_at >= $3)
     where t.job_id = any($2::bigint[]) and t.id = any($1::bigint[]) and t.at >= $3`,
    [ids, jobIds, since],
  );
  return new Map(rows.map(({ id, ...row }) => [id, row]));
};

export type UnitUpload = {
  readonly id: string;
  readonly kind: UploadKind;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly serial: string | null;
  readonly stage: string | null;
  readonly reportName: string | null;
};

export const readUnitUploads = async (
  db: Queryable,
  ids: readonly string[],
): Promise<ReadonlyMap<string, UnitUpload>> => {
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<UnitUpload>(
    `select u.id, u.kind, u.path, u.bytes, encode(u.sha256, 'hex') as sha256, u.serial, u.stage,
            u.report_name as "reportName"
     from uploads u where u.id = any($1::uuid[])`,
    [ids],
  );
  return new Map(rows.map((row) => [row.id, row]));
};

export type UnitEvent = { readonly kind: FarmEventKind; readonly facts: FarmEvent['facts'] };

/** Of these jobs, and of the DUT without a job, which are looked for from another day on. */
export const readUnitEvents = async (
  db: Queryable,
  ids: readonly number[],
  jobIds: readonly number[],
  { deviceId, since, sinceWithoutJob }: Pick<UnitScope, 'deviceId' | 'since' | 'sinceWithoutJob'>,
): Promise<ReadonlyMap<number, UnitEvent>> => {
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<UnitEvent & { id: number }>(
    `select e.id, e.kind, e.facts from farm_events e
     where e.job_id = any($2::bigint[]) and e.id = any($1::bigint[]) and e.at >= $3
     union all
     select e.id, e.kind, e.facts from farm_events e
     where e.device_id = $4 and e.job_id is null and e.id = any($1::bigint[]) and e.at >= $5`,
    [ids, jobIds, since, deviceId, sinceWithoutJob],
  );
  return new Map(rows.map(({ id, ...event }) => [id, event]));
};

export const readUnitNotes = async (
  db: Queryable,
  ids: readonly number[],
): Promise<ReadonlyMap<number, ResultNote>> => {
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<ResultNote & { id: number }>(
    'select id, at, author, note from result_notes where id = any($1::bigint[])',
    [ids],
  );
  return new Map(rows.map(({ id, ...note }) => [id, note]));
};
