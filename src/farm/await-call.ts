/** The answer to a call that is in a lane, for the DUT that made it: whichever replica sends it. */
import { type CallFate, readCallFate } from '../store/external-jobs.ts';
import type { Farm } from './farm.ts';

/** `unanswered`: not in time. The call stays owed. */
export type CallAnswer =
  | { readonly kind: 'answered'; readonly answer: unknown }
  /** The shopfloor's words; the reason is in their last line. */
  | { readonly kind: 'fault'; readonly words: string }
  | { readonly kind: 'unanswered'; readonly why: string };

export type AwaitedCall = {
  readonly id: string;
  /** That it has met before. */
  readonly faults: number;
  /** It was not settled before. */
  readonly since: Date;
  /** When its DUT called, on the monotonic clock. */
  readonly sinceMs: number;
};

export const awaitCall = async (farm: Farm, { id, since, faults, sinceMs }: AwaitedCall): Promise<CallAnswer> => {
  const { answerMs, lookMs } = farm.limits.external;
  let bell = new AbortController();
  const unhear = farm.onWake((wake) => {
    if (wake.kind === 'call' && wake.id === id) bell.abort();
  });
  try {
    for (;;) {
      // Before the look: what is told while it is under way must not be missed.
      bell = new AbortController();
      const fate = await readCallFate(farm.pool, { id, since });
      const answer = answerOf(fate, faults);
      if (answer !== null) return answer;
      const leftMs = sinceMs + answerMs - farm.clock.monotonicMs();
      if (leftMs <= 0) return { kind: 'unanswered', why: fate.words ?? 'other calls of this DUT go first' };
      await farm.clock.sleep(Math.min(leftMs, lookMs), bell.signal);
    }
  } finally {
    unhear();
  }
};

/** Null: not known yet. */
const answerOf = ({ state, words, answer, isBlocked, faults }: CallFate, faultsBefore: number): CallAnswer | null => {
  if (state === 'DELIVERED') return { kind: 'answered', answer: answer ?? {} };
  // An operator has seen to it.
  if (state === 'SKIPPED') return { kind: 'answered', answer: {} };
  if (faults > faultsBefore || state === 'DEAD') return { kind: 'fault', words: words ?? 'without a word' };
  if (isBlocked)
    return { kind: 'unanswered', why: 'an earlier call of this DUT is a dead letter: retry or skip that one' };
  return null;
};
