/** The real clock of a process; who runs a process connects it. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from './core/clock.ts';

export const processClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => wait(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
};

/** Sleeps without keeping the process alive. */
export const sleepAside = (ms: number): Promise<void> => wait(ms, undefined, { ref: false });
