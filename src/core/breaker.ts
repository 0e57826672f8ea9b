/** When to leave a shopfloor alone: it is away, and every lane that tries it only waits for the same time-out. */
import type { SendOutcome } from './send-outcome.ts';

export type BreakerLimits = {
  readonly windowMs: number;
  readonly callsMin: number;
  /** In [0, 1]. */
  readonly failingShare: number;
  readonly refusedConnectionsMax: number;
  readonly openMs: number;
};

/** The calls of one slice of the window. */
type Slice = { readonly startMs: number; readonly calls: number; readonly failed: number };

/** Times are of one process's monotonic clock. */
export type Breaker =
  | { readonly kind: 'closed'; readonly slices: readonly Slice[]; readonly refusedInARow: number }
  /** From `tryAtMs` on one call at a time is let through; the next outcome decides. */
  | { readonly kind: 'open'; readonly tryAtMs: number };

/** The window is counted in so many slices: exact to a tenth of it, whatever the number of calls. */
const SLICES = 10;

export const closedBreaker: Breaker = { kind: 'closed', slices: [], refusedInARow: 0 };

/** How many calls may be under way at once: all that the caller likes, one to try, or none. */
export const callsAllowed = (breaker: Breaker, nowMs: number, callsMax: number): number => {
  if (breaker.kind === 'closed') return callsMax;
  return nowMs >= breaker.tryAtMs ? Math.min(1, callsMax) : 0;
};

/** An answered fault is an answer: the shopfloor is there. */
const failed: Readonly<Record<SendOutcome, boolean>> = {
  answered: false,
  fault: false,
  refused: true,
  ambiguous: true,
};

/** The breaker after one more call has ended. */
export const afterCall = (breaker: Breaker, outcome: SendOutcome, nowMs: number, limits: BreakerLimits): Breaker => {
  const fails = failed[outcome];
  // While it is open, any outcome tells: that of the call let through, or of one that had been under way.
  if (breaker.kind === 'open') return fails ? { kind: 'open', tryAtMs: nowMs + limits.openMs } : closedBreaker;
  const slices = counted(breaker.slices, fails, nowMs, limits.windowMs);
  const refusedInARow = outcome === 'refused' ? breaker.refusedInARow + 1 : 0;
  const calls = slices.reduce((sum, slice) => sum + slice.calls, 0);
  const failures = slices.reduce((sum, slice) => sum + slice.failed, 0);
  const opens =
    refusedInARow >= limits.refusedConnectionsMax ||
    (calls >= limits.callsMin && failures >= limits.failingShare * calls && failures > 0);
  return opens ? { kind: 'open', tryAtMs: nowMs + limits.openMs } : { kind: 'closed', slices, refusedInARow };
};

const counted = (slices: readonly Slice[], fails: boolean, nowMs: number, windowMs: number): readonly Slice[] => {
  const sliceMs = windowMs / SLICES;
  const startMs = Math.floor(nowMs / sliceMs) * sliceMs;
  const recent = slices.filter((slice) => slice.startMs > nowMs - windowMs);
  const last = recent.at(-1);
  const n = fails ? 1 : 0;
  if (last?.startMs !== startMs) return [...recent, { startMs, calls: 1, failed: n }];
  return [...recent.slice(0, -1), { startMs, calls: last.calls + 1, failed: last.failed + n }];
};
