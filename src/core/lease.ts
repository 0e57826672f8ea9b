/** A lease: a job in a bot's hands. Its whole life is the table below (ARCHITECTURE, invariant 1). */
import { isUuid } from './uuid.ts';

export type OpenLeaseState = 'PENDING' | 'ACTIVE' | 'CANCELLING';
export type ClosedLeaseState = 'COMPLETED' | 'CANCELLED' | 'REFUSED' | 'WITHDRAWN' | 'LOST';
export type LeaseState = OpenLeaseState | ClosedLeaseState;

export type LeaseEvent =
  // What the bot's lease list says.
  | 'ABSENT' // not in the list, for the first time
  | 'ABSENT_AGAIN' // not in the list, twice in a row
  | 'SHOWN_PENDING'
  | 'SHOWN_ACTIVE'
  | 'SHOWN_CANCELLED'
  | 'SHOWN_UNKNOWN' // a state number nobody knows
  | 'COMPLETED_OK'
  | 'COMPLETED_REFUSING' // FAILED_PRECONDITION, INVALID_ARGUMENT: this bot cannot take it
  | 'COMPLETED_RETRYABLE' // INTERNAL, UNAVAILABLE
  | 'COMPLETED_FAILING' // any other code
  | 'HANDED_BACK' // the bot is terminating or rebooting and has not started it
  // What the farm decides.
  | 'CANCEL_ASKED'
  | 'ACCEPT_TIMED_OUT'
  | 'SESSION_LAPSED' // past its time to live
  | 'SESSION_ENDED' // replaced without adopting the lease
  | 'LOST_AFTER_PASSED'
  | 'CANCEL_GRACE_PASSED'
  | 'EXECUTION_TIMED_OUT'
  | 'EXPIRED'; // its job must have ended by now

/** What a move of a lease means for its job; `core/job.ts` turns it into the job's own event. */
export type LeaseMeans =
  | 'STARTED'
  | 'FINISHED'
  | 'FAILED'
  | 'RETRY'
  | 'REFUSED'
  | 'WITHDRAWN'
  | 'CANCEL_ASKED'
  | 'CANCELLED'
  | 'TIMED_OUT'
  | 'EXPIRED';

export type LeaseMove = {
  readonly kind: 'move';
  readonly to: LeaseState;
  readonly means: LeaseMeans;
  /** The DUT may still be running the work: it settles before it gets another lease. */
  readonly unclean: boolean;
  /** A result that came along counts for nothing and is kept as stale. */
  readonly stale: boolean;
};

/** `repeat`: heard before, nothing changes. `moot`: the lease has ended, the event is fenced. */
export type LeaseCell = LeaseMove | 'repeat' | 'moot';

const move = (to: LeaseState, means: LeaseMeans, how: { unclean?: true; stale?: true } = {}): LeaseMove => ({
  kind: 'move',
  to,
  means,
  unclean: how.unclean ?? false,
  stale: how.stale ?? false,
});

const start = move('ACTIVE', 'STARTED');
const finish = move('COMPLETED', 'FINISHED');
const fail = move('COMPLETED', 'FAILED');
const retry = move('COMPLETED', 'RETRY');
const refuse = move('REFUSED', 'REFUSED');
const giveBack = move('WITHDRAWN', 'WITHDRAWN');
const giveUp = move('CANCELLED', 'RETRY');
const lose = move('LOST', 'RETRY', { unclean: true });
// The bot itself says twice that it does not hold the lease, so the DUT is not running it.
const drop = move('LOST', 'RETRY');
const timeOut = move('WITHDRAWN', 'TIMED_OUT', { unclean: true });
const expire = move('WITHDRAWN', 'EXPIRED');
const expireRunning = move('WITHDRAWN', 'EXPIRED', { unclean: true });
const ask = move('CANCELLING', 'CANCEL_ASKED');
const settle = move('CANCELLED', 'CANCELLED');
const settleLate = move('CANCELLED', 'CANCELLED', { stale: true });
const forceClose = move('CANCELLED', 'CANCELLED', { unclean: true });
const repeat = 'repeat';
const moot = 'moot';

const closed: Readonly<Record<LeaseEvent, LeaseCell>> = {
  ABSENT: moot,
  ABSENT_AGAIN: moot,
  SHOWN_PENDING: moot,
  SHOWN_ACTIVE: moot,
  SHOWN_CANCELLED: moot,
  SHOWN_UNKNOWN: moot,
  COMPLETED_OK: moot,
  COMPLETED_REFUSING: moot,
  COMPLETED_RETRYABLE: moot,
  COMPLETED_FAILING: moot,
  HANDED_BACK: moot,
  CANCEL_ASKED: moot,
  ACCEPT_TIMED_OUT: moot,
  SESSION_LAPSED: moot,
  SESSION_ENDED: moot,
  LOST_AFTER_PASSED: moot,
  CANCEL_GRACE_PASSED: moot,
  EXECUTION_TIMED_OUT: moot,
  EXPIRED: moot,
};

/**
 * Every state against every event (remote-workers contract R-LEASE, its table in our words). Surprising cells:
 * - PENDING, ABSENT: our reply was lost, or the bot ignores us; the lease is sent again and is no new attempt.
 * - PENDING, COMPLETED_*: allowed, the bot was quick; start and end coincide.
 * - ACTIVE, ABSENT: one reply may have crossed; only the second silence in a row is a loss.
 * - ACTIVE, SHOWN_PENDING: a late echo never takes progress back.
 * - CANCELLING, EXPIRED: the cancel has a clock of its own, and it comes first.
 * - CANCELLING, COMPLETED_*: the cancel was committed first, so it wins; the result is kept, marked stale.
 */
// prettier-ignore
export const leaseTable: Readonly<Record<LeaseState, Readonly<Record<LeaseEvent, LeaseCell>>>> = {
  PENDING: {
    ABSENT: repeat,                 ABSENT_AGAIN: repeat,           SHOWN_PENDING: repeat,
    SHOWN_ACTIVE: start,            SHOWN_CANCELLED: refuse,        SHOWN_UNKNOWN: repeat,
    COMPLETED_OK: finish,           COMPLETED_REFUSING: refuse,     COMPLETED_RETRYABLE: retry,
    COMPLETED_FAILING: fail,        HANDED_BACK: giveBack,          CANCEL_ASKED: ask,
    ACCEPT_TIMED_OUT: giveBack,     SESSION_LAPSED: giveBack,       SESSION_ENDED: giveBack,
    LOST_AFTER_PASSED: giveBack,    CANCEL_GRACE_PASSED: repeat,    EXECUTION_TIMED_OUT: repeat,
    EXPIRED: expire,
  },
  ACTIVE: {
    ABSENT: repeat,                 ABSENT_AGAIN: drop,             SHOWN_PENDING: repeat,
    SHOWN_ACTIVE: repeat,           SHOWN_CANCELLED: giveUp,        SHOWN_UNKNOWN: repeat,
    COMPLETED_OK: finish,           COMPLETED_REFUSING: refuse,     COMPLETED_RETRYABLE: retry,
    COMPLETED_FAILING: fail,        HANDED_BACK: repeat,            CANCEL_ASKED: ask,
    ACCEPT_TIMED_OUT: repeat,       SESSION_LAPSED: repeat,         SESSION_ENDED: lose,
    LOST_AFTER_PASSED: lose,        CANCEL_GRACE_PASSED: repeat,    EXECUTION_TIMED_OUT: timeOut,
    EXPIRED: expireRunning,
  },
  CANCELLING: {
    ABSENT: settle,                 ABSENT_AGAIN: settle,           SHOWN_PENDING: repeat,
    SHOWN_ACTIVE: repeat,           SHOWN_CANCELLED: settle,        SHOWN_UNKNOWN: repeat,
    COMPLETED_OK: settleLate,       COMPLETED_REFUSING: settleLate, COMPLETED_RETRYABLE: settleLate,
    COMPLETED_FAILING: settleLate,  HANDED_BACK: settle,            CANCEL_ASKED: repeat,
    ACCEPT_TIMED_OUT: repeat,       SESSION_LAPSED: repeat,         SESSION_ENDED: settle,
    LOST_AFTER_PASSED: forceClose,  CANCEL_GRACE_PASSED: forceClose, EXECUTION_TIMED_OUT: repeat,
    EXPIRED: repeat,
  },
  COMPLETED: closed,
  CANCELLED: closed,
  REFUSED: closed,
  WITHDRAWN: closed,
  LOST: closed,
};

/** Whether a lease in this state still holds its job, its DUT and a slot of its session. */
export const isOpen = (state: LeaseState): state is OpenLeaseState => leaseTable[state] !== closed;

/** google.rpc codes by what they say of a COMPLETED lease (R-LEASE-7). A missing status is OK. */
export const completionEvent = (code: number): LeaseEvent => {
  switch (code) {
    case 0:
      return 'COMPLETED_OK';
    case 3: // INVALID_ARGUMENT
    case 9: // FAILED_PRECONDITION
      return 'COMPLETED_REFUSING';
    case 13: // INTERNAL
    case 14: // UNAVAILABLE
      return 'COMPLETED_RETRYABLE';
    default:
      return 'COMPLETED_FAILING';
  }
};

/** Whether it can be a lease of ours; what cannot was never given out here. */
export const isLeaseId = (text: string): boolean => isUuid(text);
