import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JobCell, type JobState, jobEventOf, jobTable } from '../../src/core/job.ts';
import {
  isOpen,
  type LeaseCell,
  type LeaseEvent,
  type LeaseMeans,
  type LeaseState,
  leaseTable,
} from '../../src/core/lease.ts';

const events = Object.keys(leaseTable.PENDING) as LeaseEvent[];
const walks = fc.array(fc.constantFrom(...events), { minLength: 1, maxLength: 40 });
const counts = fc.record({
  attempts: fc.nat(4),
  attemptsMax: fc.integer({ min: 1, max: 4 }),
  refusals: fc.nat(4),
  refusalsMax: fc.integer({ min: 1, max: 4 }),
});

/** How far a lease has come; nothing ever takes it back. */
const rank: Readonly<Record<LeaseState, number>> = {
  PENDING: 0,
  ACTIVE: 1,
  CANCELLING: 2,
  COMPLETED: 3,
  CANCELLED: 3,
  REFUSED: 3,
  WITHDRAWN: 3,
  LOST: 3,
};

/** Walks a lease from PENDING; what happened at each step, steps that changed nothing included. */
const walk = (path: readonly LeaseEvent[]) => {
  const steps: { from: LeaseState; to: LeaseState; means: LeaseMeans | null; event: LeaseEvent }[] = [];
  let state: LeaseState = 'PENDING';
  for (const event of path) {
    const cell: LeaseCell = leaseTable[state][event];
    const to: LeaseState = typeof cell === 'string' ? state : cell.to;
    steps.push({ from: state, to, means: typeof cell === 'string' ? null : cell.means, event });
    state = to;
  }
  return steps;
};

describe('any walk of a lease', () => {
  it('goes forward only, and is over once it is closed', () => {
    fc.assert(
      fc.property(walks, (path) => {
        for (const { from, to, means } of walk(path)) {
          expect(rank[to]).toBeGreaterThanOrEqual(rank[from]);
          if (means !== null) expect(rank[to]).toBeGreaterThan(rank[from]);
          if (!isOpen(from)) expect({ to, means }).toEqual({ to: from, means: null });
        }
      }),
    );
  });

  it('starts at most once, is asked to stop at most once, and ends at most once', () => {
    fc.assert(
      fc.property(walks, (path) => {
        const told = walk(path).flatMap(({ means }) => means ?? []);
        expect(told.filter((means) => means === 'STARTED').length).toBeLessThanOrEqual(1);
        expect(told.filter((means) => means === 'CANCEL_ASKED').length).toBeLessThanOrEqual(1);
        const endings = told.filter((means) => means !== 'STARTED' && means !== 'CANCEL_ASKED');
        expect(endings.length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('takes no event twice over: the same event once more changes nothing', () => {
    fc.assert(
      fc.property(walks, (path) => {
        const last = walk([...path, path.at(-1)!]).at(-1)!;
        expect(last.means).toBeNull();
      }),
    );
  });

  it('moves its job with it, by a step that the job’s own table knows', () => {
    fc.assert(
      fc.property(walks, counts, (path, patience) => {
        let job: JobState = 'LEASED';
        for (const { means, to } of walk(path)) {
          if (means === null) continue;
          const { event, cause } = jobEventOf(means, patience, to === 'LOST');
          const cell: JobCell = jobTable[job][event];
          expect(cell, `${job} × ${event}`).not.toBe('moot');
          if (cell !== 'repeat' && cell !== 'moot') job = cell;
          // An end without a verdict says why, to programs too.
          if (job === 'FAILED') expect(cause).not.toBeNull();
        }
        const end = walk(path).at(-1)!.to;
        expect(job === 'LEASED' || job === 'CANCELLING').toBe(isOpen(end));
        expect(job === 'CANCELLING').toBe(end === 'CANCELLING');
      }),
    );
  });

  it('never ends in two ways: what was cancelled first is no pass, what was done first is no cancel', () => {
    fc.assert(
      fc.property(walks, (path) => {
        const steps = walk(path);
        const cancelAt = steps.findIndex(({ means }) => means === 'CANCEL_ASKED');
        const end = steps.at(-1)!.to;
        if (cancelAt >= 0) expect(end === 'CANCELLING' || end === 'CANCELLED').toBe(true);
        else expect(end).not.toBe('CANCELLING');
      }),
    );
  });
});
