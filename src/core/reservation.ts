/** A job seen through the Remote Workers Reservations API: its state and its final status (R-RES-2, R-RES-3). */
import type { FailureCause, JobState } from './job.ts';
import type { OpenLeaseState } from './lease.ts';

/** reservations.proto ReservationState, without its prefix. */
export type ReservationState = 'PENDING' | 'ASSIGNED' | 'ACTIVE' | 'COMPLETED' | 'CANCELLED';

/** google.rpc.Status; codes of google.rpc.Code. */
export type FinalStatus = { readonly code: number; readonly message: string };

export type ReservedJob = {
  readonly state: JobState;
  readonly lease: { readonly state: OpenLeaseState } | null;
  /** When its last attempt became ACTIVE. */
  readonly startedAt: Date | null;
  readonly failure: FailureCause | null;
  /** google.rpc.Code of the lease that ended it with an error; null: no lease did. */
  readonly leaseCode: number | null;
  readonly reason: string | null;
  readonly result: object | null;
};

const OK = 0;
const CANCELLED = 1;
const UNKNOWN = 2;
const DEADLINE_EXCEEDED = 4;
const FAILED_PRECONDITION = 9;
const ABORTED = 10;

/** Clients resubmit on ABORTED and INTERNAL; an error without a code of its own is neither. */
const codeOfFailure: Readonly<Record<FailureCause, number>> = {
  LOST: ABORTED,
  ERROR: UNKNOWN,
  REFUSED: FAILED_PRECONDITION,
  QUEUE_TIMEOUT: DEADLINE_EXCEEDED,
  MATCH_TIMEOUT: FAILED_PRECONDITION,
  EXECUTION_TIMEOUT: DEADLINE_EXCEEDED,
  EXPIRED: DEADLINE_EXCEEDED,
};

const codeOf = ({ failure, leaseCode }: ReservedJob): number =>
  failure === 'ERROR' && leaseCode !== null ? leaseCode : codeOfFailure[failure ?? 'ERROR'];

export const reservationState = ({ state, lease, startedAt }: ReservedJob): ReservationState => {
  switch (state) {
    case 'QUEUED':
      return 'PENDING';
    case 'LEASED':
      return lease?.state === 'PENDING' ? 'ASSIGNED' : 'ACTIVE';
    case 'CANCELLING':
      // What its lease was before the cancel is told by whether the work had begun.
      return startedAt === null ? 'ASSIGNED' : 'ACTIVE';
    case 'FINISHED':
    case 'FAILED':
      return 'COMPLETED';
    case 'CANCELLED':
      return 'CANCELLED';
  }
};

/** Null: it has not ended. A unit that failed its tests is OK here: that is told by the result. */
export const finalStatus = (job: ReservedJob): FinalStatus | null => {
  const message = job.reason ?? '';
  switch (job.state) {
    case 'QUEUED':
    case 'LEASED':
    case 'CANCELLING':
      return null;
    case 'FINISHED':
      return { code: OK, message: '' };
    case 'FAILED':
      // R-RES-3: an error of the lease is told as the bot told it.
      return { code: codeOf(job), message };
    case 'CANCELLED':
      // The bot acknowledged it and had a result all the same.
      return { code: job.result === null ? CANCELLED : OK, message };
  }
};
