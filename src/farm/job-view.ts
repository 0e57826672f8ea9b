/** A job as every door shows it. */
import type { ReservationTicket } from '../core/job-request.ts';
import type { FailureCause, HeldBy, JobState } from '../core/job.ts';
import type { OpenLeaseState } from '../core/lease.ts';
import type { Constraint } from '../core/match.ts';
import type { Task } from '../core/task.ts';
import type { TestResult } from '../core/test-result.ts';
import type { Verdict } from '../core/verdict.ts';
import type { JobViewRow } from '../store/job-views.ts';

export type JobView = {
  readonly id: number;
  readonly instance: string;
  readonly requestId: string;
  /** Empty for foreign work. */
  readonly station: string;
  readonly task: Task;
  readonly constraints: readonly Constraint[];
  /** The DUT it is pinned to, and that DUT's serials as of now. Null and empty: pinned to none. */
  readonly deviceId: number | null;
  readonly serials: Readonly<Record<string, string>>;
  readonly requestedBotId: string | null;
  readonly priority: number;
  readonly route: string | null;
  readonly onFailed: 'stop' | 'continue';
  readonly attemptsMax: number;
  /** Null: no limit; so for the next. */
  readonly queueTimeoutMs: number | null;
  readonly executionTimeoutMs: number | null;
  readonly expiresAt: Date | null;
  /** Null: it did not come as a reservation. */
  readonly reservation: ReservationTicket | null;
  readonly state: JobState;
  /** Why a QUEUED job is not runnable, as a code and in words; both null when it is. */
  readonly heldBy: HeldBy | null;
  readonly heldReason: string | null;
  /** Attempts that became ACTIVE. */
  readonly attempts: number;
  readonly avoidedBots: readonly string[];
  readonly verdict: Verdict | null;
  readonly failure: FailureCause | null;
  /** google.rpc.Code of the lease that ended it with an error; null: no lease did. */
  readonly leaseCode: number | null;
  /** Why it has the verdict, failed or was cancelled; for a job being cancelled, why that was asked. */
  readonly reason: string | null;
  /** What a foreign worker answered. */
  readonly result: { readonly typeUrl: string; readonly value: Uint8Array } | null;
  /** The bot that has it or had it last. */
  readonly botId: string | null;
  /** The lease that is open for it now. */
  readonly lease: { readonly id: string; readonly state: OpenLeaseState } | null;
  readonly enqueuedAt: Date;
  /** When its last attempt became ACTIVE. */
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  /** The results that count of its last attempt, the first that fit into one message; null: not asked for. */
  readonly results: readonly TestResult[] | null;
  /** Results beyond those: ListTestResults tells all. */
  readonly resultsLeftOut: number;
};

export const toJobView = (
  row: JobViewRow,
  shown: { readonly results: readonly TestResult[]; readonly leftOut: number } | null = null,
): JobView => {
  const { work, payloadType, payload, resultType, result, cancelReason, leaseId, leaseState, ...plain } = row;
  return {
    ...plain,
    task: toTask(row.id, { work, payloadType, payload }),
    reason: row.reason ?? cancelReason,
    result: resultType === null ? null : { typeUrl: resultType, value: result ?? new Uint8Array() },
    lease: leaseId === null || leaseState === null ? null : { id: leaseId, state: leaseState },
    results: shown?.results ?? null,
    resultsLeftOut: shown?.leftOut ?? 0,
  };
};

const toTask = (
  id: number,
  { work, payloadType, payload }: Pick<JobViewRow, 'work' | 'payloadType' | 'payload'>,
): Task => {
  if (work !== null) return { kind: 'work', work };
  // The schema says that a job without work has a payload.
  if (payloadType === null || payload === null) throw new Error(`job ${id} has neither work nor payload`);
  return { kind: 'foreign', typeUrl: payloadType, value: payload };
};
