/** The real clock, for tests that talk to real sockets and processes. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../../src/core/clock.ts';

export const wallClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => wait(ms, undefined, { signal, ref: false }).catch(() => undefined),
};
