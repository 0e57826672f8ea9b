/** A job: one station to be run once. States, events and the one table that moves it (ARCHITECTURE, invariant 1). */
import type { LeaseMeans } from './lease.ts';

export type JobState = 'QUEUED' | 'LEASED' | 'CANCELLING' | 'FINISHED' | 'FAILED' | 'CANCELLED';

export type JobEvent =
  | 'GRANTED'
  | 'STARTED'
  | 'REQUEUED' // withdrawn, or an attempt that may be repeated
  | 'FINISHED'
  | 'FAILED'
  | 'CANCEL_ASKED'
  | 'CANCEL_ACKNOWLEDGED'
  | 'TIMED_OUT';

/** Why a job FAILED, for programs. */
export type FailureCause =
  | 'LOST' // attempts exhausted by loss
  | 'ERROR' // the lease ended with an error that is not retried, or retries are exhausted
  | 'REFUSED' // too many bots refused it
  | 'QUEUE_TIMEOUT'
  | 'MATCH_TIMEOUT'
  | 'EXECUTION_TIMEOUT'
  | 'EXPIRED';

/** Why a QUEUED job is not runnable. The words beside it say more. */
export type HeldBy = 'ROUTE' | 'ROUTE_STOPPED' | 'GATE_TURN' | 'GATE' | 'GATE_REFUSED' | 'DEVICE' | 'ACTION';

export type JobCell = JobState | 'repeat' | 'moot';

const ended: Readonly<Record<JobEvent, JobCell>> = {
  GRANTED: 'moot',
  STARTED: 'moot',
  REQUEUED: 'moot',
  FINISHED: 'moot',
  FAILED: 'moot',
  CANCEL_ASKED: 'moot',
  CANCEL_ACKNOWLEDGED: 'moot',
  TIMED_OUT: 'moot',
};

/**
 * Surprising cells:
 * - QUEUED, CANCEL_ASKED: nobody holds it, so asking is ending.
 * - CANCELLING, REQUEUED and FINISHED: the cancel was committed first and wins.
 */
// prettier-ignore
export const jobTable: Readonly<Record<JobState, Readonly<Record<JobEvent, JobCell>>>> = {
  QUEUED: {
    GRANTED: 'LEASED',        STARTED: 'moot',              REQUEUED: 'repeat',       FINISHED: 'moot',
    FAILED: 'FAILED',         CANCEL_ASKED: 'CANCELLED',    CANCEL_ACKNOWLEDGED: 'moot', TIMED_OUT: 'FAILED',
  },
  LEASED: {
    GRANTED: 'moot',          STARTED: 'repeat',            REQUEUED: 'QUEUED',       FINISHED: 'FINISHED',
    FAILED: 'FAILED',         CANCEL_ASKED: 'CANCELLING',   CANCEL_ACKNOWLEDGED: 'CANCELLED', TIMED_OUT: 'FAILED',
  },
  CANCELLING: {
    GRANTED: 'moot',          STARTED: 'repeat',            REQUEUED: 'CANCELLED',    FINISHED: 'CANCELLED',
    FAILED: 'CANCELLED',      CANCEL_ASKED: 'repeat',       CANCEL_ACKNOWLEDGED: 'CANCELLED', TIMED_OUT: 'CANCELLED',
  },
  FINISHED: ended,
  FAILED: ended,
  CANCELLED: ended,
};

export const hasEnded = (state: JobState): boolean => jobTable[state] === ended;

/** What is left of a job's patience when a lease of it closes. */
export type JobCounts = {
  readonly attempts: number;
  readonly attemptsMax: number;
  /** Refusals with this one counted in. */
  readonly refusals: number;
  readonly refusalsMax: number;
};

/** The job's event, and the cause if it is an end without a verdict, for what a closing lease means. */
export const jobEventOf = (
  means: LeaseMeans,
  counts: JobCounts,
  lost: boolean,
): { readonly event: JobEvent; readonly cause: FailureCause | null } => {
  switch (means) {
    case 'STARTED':
      return { event: 'STARTED', cause: null };
    case 'FINISHED':
      return { event: 'FINISHED', cause: null };
    case 'FAILED':
      return { event: 'FAILED', cause: 'ERROR' };
    case 'RETRY':
      return counts.attempts >= counts.attemptsMax
        ? { event: 'FAILED', cause: lost ? 'LOST' : 'ERROR' }
        : { event: 'REQUEUED', cause: null };
    case 'REFUSED':
      return counts.refusals >= counts.refusalsMax
        ? { event: 'FAILED', cause: 'REFUSED' }
        : { event: 'REQUEUED', cause: null };
    case 'WITHDRAWN':
      return { event: 'REQUEUED', cause: null };
    case 'CANCEL_ASKED':
      return { event: 'CANCEL_ASKED', cause: null };
    case 'CANCELLED':
      return { event: 'CANCEL_ACKNOWLEDGED', cause: null };
    case 'TIMED_OUT':
      return { event: 'TIMED_OUT', cause: 'EXECUTION_TIMEOUT' };
    case 'EXPIRED':
      return { event: 'TIMED_OUT', cause: 'EXPIRED' };
  }
};
