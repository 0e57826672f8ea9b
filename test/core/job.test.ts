import { describe, expect, it } from 'vitest';
import { hasEnded, type JobEvent, jobEventOf, type JobState, jobTable } from '../../src/core/job.ts';
import { type LeaseMeans, leaseTable } from '../../src/core/lease.ts';

const states = Object.keys(jobTable) as JobState[];
const events = Object.keys(jobTable.QUEUED) as JobEvent[];

describe('the table of jobs', () => {
  it('says something of every event in every state', () => {
    for (const state of states) expect(Object.keys(jobTable[state])).toEqual(events);
  });

  it('knows no way out of an ended job', () => {
    const ended = states.filter(hasEnded);
    expect(ended).toEqual(['FINISHED', 'FAILED', 'CANCELLED']);
    for (const state of ended) for (const event of events) expect(jobTable[state][event]).toBe('moot');
  });

  it.each<[JobState, JobEvent, string]>([
    ['QUEUED', 'GRANTED', 'LEASED'],
    // Nobody holds it: asking is ending.
    ['QUEUED', 'CANCEL_ASKED', 'CANCELLED'],
    ['QUEUED', 'TIMED_OUT', 'FAILED'],
    ['QUEUED', 'FINISHED', 'moot'],
    ['LEASED', 'GRANTED', 'moot'],
    ['LEASED', 'REQUEUED', 'QUEUED'],
    ['LEASED', 'CANCEL_ASKED', 'CANCELLING'],
    // The cancel was committed first, whatever the bot then says.
    ['CANCELLING', 'FINISHED', 'CANCELLED'],
    ['CANCELLING', 'REQUEUED', 'CANCELLED'],
    ['CANCELLING', 'FAILED', 'CANCELLED'],
    ['CANCELLING', 'TIMED_OUT', 'CANCELLED'],
    ['CANCELLING', 'CANCEL_ASKED', 'repeat'],
  ])('%s × %s: %s', (state, event, cell) => {
    expect(jobTable[state][event]).toBe(cell);
  });

  it('has a move for whatever the end of a lease may mean', () => {
    const means = Object.values(leaseTable).flatMap((row) =>
      Object.values(row).flatMap((cell) => (typeof cell === 'string' ? [] : [cell.means])),
    );
    const counts = { attempts: 1, attemptsMax: 3, refusals: 1, refusalsMax: 3 };
    for (const meant of new Set(means)) {
      for (const held of ['LEASED', 'CANCELLING'] as const) {
        expect(jobTable[held][jobEventOf(meant, counts, false).event], `${held} × ${meant}`).not.toBe('moot');
      }
    }
  });
});

describe('what a lease’s end means for its job', () => {
  const fresh = { attempts: 1, attemptsMax: 3, refusals: 1, refusalsMax: 3 };
  const spent = { attempts: 3, attemptsMax: 3, refusals: 3, refusalsMax: 3 };
  it.each<[LeaseMeans, typeof fresh, boolean, JobEvent, string | null]>([
    ['FINISHED', fresh, false, 'FINISHED', null],
    ['FAILED', fresh, false, 'FAILED', 'ERROR'],
    ['RETRY', fresh, true, 'REQUEUED', null],
    ['RETRY', spent, true, 'FAILED', 'LOST'],
    ['RETRY', spent, false, 'FAILED', 'ERROR'],
    ['REFUSED', fresh, false, 'REQUEUED', null],
    ['REFUSED', spent, false, 'FAILED', 'REFUSED'],
    // However often a lease is withdrawn un-started: that is no attempt.
    ['WITHDRAWN', spent, false, 'REQUEUED', null],
    ['TIMED_OUT', fresh, false, 'TIMED_OUT', 'EXECUTION_TIMEOUT'],
    ['EXPIRED', fresh, false, 'TIMED_OUT', 'EXPIRED'],
    ['CANCELLED', fresh, false, 'CANCEL_ACKNOWLEDGED', null],
  ])('%s', (means, counts, lost, event, cause) => {
    expect(jobEventOf(means, counts, lost)).toEqual({ event, cause });
  });
});
