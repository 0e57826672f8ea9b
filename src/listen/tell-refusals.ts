/** Tells people of refused connections: the first at once, a flood in one line with a count. */
import type { Clock } from '../core/clock.ts';
import type { DoorWitness, RefusedReason } from './doorkeeper.ts';

const TELL_EVERY_MS = 10_000;

export type Told = {
  readonly reason: RefusedReason;
  readonly peer: string;
  readonly why: string;
  readonly times: number;
};

/** @param tell is given the newest of each reason, with how many there were since it was last told. */
export const tellRefusals = (clock: Clock, tell: (told: Told) => void): DoorWitness['refused'] => {
  const untold = new Map<RefusedReason, { times: number; sinceMs: number }>();
  return (reason, peer, why) => {
    const nowMs = clock.monotonicMs();
    const before = untold.get(reason) ?? { times: 0, sinceMs: -Infinity };
    const times = before.times + 1;
    const isDue = nowMs - before.sinceMs >= TELL_EVERY_MS;
    untold.set(reason, isDue ? { times: 0, sinceMs: nowMs } : { ...before, times });
    if (isDue) tell({ reason, peer, why, times });
  };
};
