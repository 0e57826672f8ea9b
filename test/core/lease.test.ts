import { describe, expect, it } from 'vitest';
import { completionEvent, isOpen, type LeaseEvent, type LeaseState, leaseTable } from '../../src/core/lease.ts';

const states = Object.keys(leaseTable) as LeaseState[];
const events = Object.keys(leaseTable.PENDING) as LeaseEvent[];
const closed: readonly LeaseState[] = ['COMPLETED', 'CANCELLED', 'REFUSED', 'WITHDRAWN', 'LOST'];

/** `STATE, means` and its marks; `repeat` and `moot` as they are. */
const shown = (state: LeaseState, event: LeaseEvent): string => {
  const cell = leaseTable[state][event];
  if (typeof cell === 'string') return cell;
  return [`${cell.to}, ${cell.means}`, ...(cell.unclean ? ['unclean'] : []), ...(cell.stale ? ['stale'] : [])].join(
    ' ',
  );
};

describe('the table of leases', () => {
  it('says something of every event in every state', () => {
    for (const state of states) expect(Object.keys(leaseTable[state])).toEqual(events);
  });

  it('knows no way out of an ended lease', () => {
    for (const state of closed) for (const event of events) expect(shown(state, event)).toBe('moot');
  });

  it('moves only forward: what has started is never PENDING again, what is being cancelled never ACTIVE', () => {
    for (const event of events) {
      expect(shown('ACTIVE', event)).not.toMatch(/^PENDING/);
      expect(shown('CANCELLING', event)).not.toMatch(/^(PENDING|ACTIVE)/);
    }
  });

  it.each<[LeaseState, LeaseEvent, string]>([
    // Our reply was lost, or the bot ignores us: sent again, no new attempt.
    ['PENDING', 'ABSENT', 'repeat'],
    ['PENDING', 'ABSENT_AGAIN', 'repeat'],
    ['PENDING', 'SHOWN_PENDING', 'repeat'],
    ['PENDING', 'SHOWN_ACTIVE', 'ACTIVE, STARTED'],
    // The bot was quick.
    ['PENDING', 'COMPLETED_OK', 'COMPLETED, FINISHED'],
    ['PENDING', 'SHOWN_CANCELLED', 'REFUSED, REFUSED'],
    ['PENDING', 'HANDED_BACK', 'WITHDRAWN, WITHDRAWN'],
    ['PENDING', 'ACCEPT_TIMED_OUT', 'WITHDRAWN, WITHDRAWN'],
    ['PENDING', 'SESSION_LAPSED', 'WITHDRAWN, WITHDRAWN'],
    ['PENDING', 'SESSION_ENDED', 'WITHDRAWN, WITHDRAWN'],
    ['PENDING', 'LOST_AFTER_PASSED', 'WITHDRAWN, WITHDRAWN'],
    ['PENDING', 'EXPIRED', 'WITHDRAWN, EXPIRED'],
    // One reply may have crossed; the second silence in a row is the bot's own word that nothing runs.
    ['ACTIVE', 'ABSENT', 'repeat'],
    ['ACTIVE', 'ABSENT_AGAIN', 'LOST, RETRY'],
    // A late echo takes no progress back.
    ['ACTIVE', 'SHOWN_PENDING', 'repeat'],
    ['ACTIVE', 'SHOWN_UNKNOWN', 'repeat'],
    ['ACTIVE', 'SHOWN_CANCELLED', 'CANCELLED, RETRY'],
    ['ACTIVE', 'COMPLETED_REFUSING', 'REFUSED, REFUSED'],
    ['ACTIVE', 'COMPLETED_RETRYABLE', 'COMPLETED, RETRY'],
    ['ACTIVE', 'COMPLETED_FAILING', 'COMPLETED, FAILED'],
    // A bot that leaves may finish what it has begun.
    ['ACTIVE', 'HANDED_BACK', 'repeat'],
    ['ACTIVE', 'ACCEPT_TIMED_OUT', 'repeat'],
    ['ACTIVE', 'SESSION_LAPSED', 'repeat'],
    ['ACTIVE', 'SESSION_ENDED', 'LOST, RETRY unclean'],
    ['ACTIVE', 'LOST_AFTER_PASSED', 'LOST, RETRY unclean'],
    ['ACTIVE', 'EXECUTION_TIMED_OUT', 'WITHDRAWN, TIMED_OUT unclean'],
    ['ACTIVE', 'EXPIRED', 'WITHDRAWN, EXPIRED unclean'],
    // The cancel was committed first.
    ['CANCELLING', 'COMPLETED_OK', 'CANCELLED, CANCELLED stale'],
    ['CANCELLING', 'COMPLETED_RETRYABLE', 'CANCELLED, CANCELLED stale'],
    ['CANCELLING', 'ABSENT', 'CANCELLED, CANCELLED'],
    ['CANCELLING', 'SHOWN_CANCELLED', 'CANCELLED, CANCELLED'],
    ['CANCELLING', 'SHOWN_ACTIVE', 'repeat'],
    ['CANCELLING', 'SHOWN_PENDING', 'repeat'],
    ['CANCELLING', 'CANCEL_ASKED', 'repeat'],
    ['CANCELLING', 'EXECUTION_TIMED_OUT', 'repeat'],
    ['CANCELLING', 'EXPIRED', 'repeat'],
    ['CANCELLING', 'CANCEL_GRACE_PASSED', 'CANCELLED, CANCELLED unclean'],
    ['CANCELLING', 'LOST_AFTER_PASSED', 'CANCELLED, CANCELLED unclean'],
    ['CANCELLING', 'SESSION_ENDED', 'CANCELLED, CANCELLED'],
  ])('%s × %s: %s', (state, event, cell) => {
    expect(shown(state, event)).toBe(cell);
  });

  it('keeps as stale only what came after a cancel', () => {
    for (const state of ['PENDING', 'ACTIVE'] as const) {
      for (const event of events) expect(shown(state, event)).not.toContain('stale');
    }
  });

  it('calls open what holds its job, its DUT and a slot', () => {
    expect(states.filter(isOpen)).toEqual(['PENDING', 'ACTIVE', 'CANCELLING']);
  });
});

it.each([
  [0, 'COMPLETED_OK'],
  [3, 'COMPLETED_REFUSING'],
  [9, 'COMPLETED_REFUSING'],
  [13, 'COMPLETED_RETRYABLE'],
  [14, 'COMPLETED_RETRYABLE'],
  [1, 'COMPLETED_FAILING'],
  [4, 'COMPLETED_FAILING'],
  [99, 'COMPLETED_FAILING'],
])('google.rpc code %i of a completed lease is %s', (code, event) => {
  expect(completionEvent(code)).toBe(event);
});
