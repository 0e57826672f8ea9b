import { describe, expect, it } from 'vitest';
import { afterCall, type Breaker, callsAllowed, closedBreaker } from '../../src/core/breaker.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import type { SendOutcome } from '../../src/core/send-outcome.ts';

const limits = defaultLimits.breaker;

/** Calls ending one a second, from `fromMs` on. */
const after = (outcomes: readonly SendOutcome[], fromMs = 0, breaker: Breaker = closedBreaker): Breaker =>
  outcomes.reduce((state, outcome, i) => afterCall(state, outcome, fromMs + i * 1000, limits), breaker);
const times = (n: number, outcome: SendOutcome): SendOutcome[] => Array.from({ length: n }, () => outcome);

describe('the breaker', () => {
  // prettier-ignore
  const cases: readonly (readonly [string, readonly SendOutcome[], 'closed' | 'open'])[] = [
    ['stays closed for 19 calls, all failing',                     times(19, 'ambiguous'),                                 'closed'],
    ['opens when half of 20 calls fail',                           [...times(10, 'answered'), ...times(10, 'ambiguous')],  'open'],
    ['stays closed when fewer than half fail',                     [...times(11, 'answered'), ...times(9, 'ambiguous')],   'closed'],
    ['never opens for answered faults',                            times(60, 'fault'),                                     'closed'],
    ['stays closed for four refused connections in a row',         times(4, 'refused'),                                    'closed'],
    ['opens at the fifth',                                         times(5, 'refused'),                                    'open'],
    ['counts only refused connections in a row',                   [...times(4, 'refused'), 'answered', ...times(4, 'refused')], 'closed'],
  ];
  it.each(cases)('%s', (_name, outcomes, kind) => {
    expect(after(outcomes).kind).toBe(kind);
  });

  it('forgets what is older than its window', () => {
    const old = after(times(19, 'ambiguous'));
    expect(after(['ambiguous'], 60_000, old).kind).toBe('closed');
  });

  it('lets all through while closed, none while open, and one after openMs', () => {
    const open = after(times(5, 'refused'));
    expect(callsAllowed(closedBreaker, 0, 16)).toBe(16);
    expect(callsAllowed(open, 4_000, 16)).toBe(0);
    expect(callsAllowed(open, 4_000 + limits.openMs - 1, 16)).toBe(0);
    expect(callsAllowed(open, 4_000 + limits.openMs, 16)).toBe(1);
  });

  it.each(['answered', 'fault'] as const)(
    'closes, with nothing remembered, when the one let through is %s',
    (outcome) => {
      expect(afterCall(after(times(5, 'refused')), outcome, 20_000, limits)).toEqual(closedBreaker);
    },
  );

  it.each(['refused', 'ambiguous'] as const)('stays open for openMs more when it is %s', (outcome) => {
    const again = afterCall(after(times(5, 'refused')), outcome, 20_000, limits);
    expect(again).toEqual({ kind: 'open', tryAtMs: 20_000 + limits.openMs });
  });
});
