import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterCall, type Breaker, callsAllowed, closedBreaker } from '../../src/core/breaker.ts';
import type { SendOutcome } from '../../src/core/send-outcome.ts';

const limits = { windowMs: 30_000, callsMin: 20, failingShare: 0.5, refusedConnectionsMax: 5, openMs: 10_000 };
const SLICE_MS = 3_000;

type Ended = { readonly outcome: SendOutcome; readonly atMs: number };
const outcome = fc.constantFrom<SendOutcome>('answered', 'fault', 'refused', 'ambiguous');
const ends = fc
  .array(fc.record({ outcome, gapMs: fc.oneof(fc.nat(500), fc.nat(5_000), fc.nat(40_000)) }), { maxLength: 120 })
  .map((drawn): readonly Ended[] => {
    let atMs = 0;
    return drawn.map(({ outcome: ended, gapMs }) => ({ outcome: ended, atMs: (atMs += gapMs) }));
  });

const isFailed = ({ outcome: ended }: Ended): boolean => ended === 'refused' || ended === 'ambiguous';

/** The same said plainly: every end since it last closed is kept, and counted afresh each time. */
const plainly = (all: readonly Ended[]): readonly ('closed' | 'open')[] => {
  let kept: Ended[] = [];
  let open = false;
  return all.map((end) => {
    if (open) {
      if (!isFailed(end)) [open, kept] = [false, []];
      return open ? 'open' : 'closed';
    }
    kept.push(end);
    const sliceOf = (atMs: number) => Math.floor(atMs / SLICE_MS) * SLICE_MS;
    const recent = kept.filter(({ atMs }) => sliceOf(atMs) > end.atMs - limits.windowMs);
    const failures = recent.filter(isFailed).length;
    const lastGood = kept.findLastIndex(({ outcome: ended }) => ended !== 'refused');
    const refusedInARow = kept.length - 1 - lastGood;
    open = refusedInARow >= 5 || (recent.length >= 20 && failures * 2 >= recent.length);
    return open ? 'open' : 'closed';
  });
};

describe('the breaker, whatever comes', () => {
  it('opens and closes as a plain count of its window says', () => {
    fc.assert(
      fc.property(ends, (all) => {
        let breaker: Breaker = closedBreaker;
        const kinds = all.map((end) => {
          breaker = afterCall(breaker, end.outcome, end.atMs, limits);
          return breaker.kind;
        });
        expect(kinds).toEqual(plainly(all));
      }),
      { numRuns: 300 },
    );
  });

  it('remembers no more than its window, however long it lives', () => {
    fc.assert(
      fc.property(ends, (all) => {
        let breaker: Breaker = closedBreaker;
        for (const end of all) {
          breaker = afterCall(breaker, end.outcome, end.atMs, limits);
          if (breaker.kind === 'closed') expect(breaker.slices.length).toBeLessThanOrEqual(11);
        }
      }),
    );
  });

  it('lets somebody through openMs after the last failure at the latest, and never more than it was asked for', () => {
    fc.assert(
      fc.property(ends, fc.nat(64), fc.nat(100_000), (all, callsMax, laterMs) => {
        let breaker: Breaker = closedBreaker;
        for (const end of all) breaker = afterCall(breaker, end.outcome, end.atMs, limits);
        const lastMs = all.at(-1)?.atMs ?? 0;
        const allowed = callsAllowed(breaker, lastMs + laterMs, callsMax);
        expect(allowed).toBeLessThanOrEqual(callsMax);
        if (callsMax > 0 && laterMs >= limits.openMs) expect(allowed).toBeGreaterThan(0);
      }),
    );
  });

  it('never opens for a shopfloor that answers', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom<SendOutcome>('answered', 'fault'), { maxLength: 100 }), (answers) => {
        const breaker = answers.reduce<Breaker>((state, end, i) => afterCall(state, end, i, limits), closedBreaker);
        expect(breaker.kind).toBe('closed');
      }),
    );
  });
});
