/** The real clock of a process; who runs a process connects it. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from './core/clock.ts';

export const processClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  // Every parked poll is one of these. Node's own would make an error of each that is ended, to be thrown away here.
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener('abort', end, { once: true });
    }),
};

/** Sleeps without keeping the process alive. */
export const sleepAside = (ms: number): Promise<void> => wait(ms, undefined, { ref: false });
