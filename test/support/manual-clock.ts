import { setImmediate } from 'node:timers/promises';

/** A clock that stands still until a test moves it. Fits every `Clock` of the project. */
export type ManualClock = {
  readonly now: () => Date;
  readonly monotonicMs: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Moves on, waking each sleeper at its own time and letting it run before the next wakes. */
  readonly advance: (ms: number) => Promise<void>;
  /** Resolves once somebody sleeps until exactly `ms` from now: the sure sign that the code under test has got there. */
  readonly untilSleepOf: (ms: number) => Promise<void>;
};

type Sleeper = { readonly dueMs: number; readonly wake: () => void };

export function createManualClock(startedAt = new Date('2026-01-01T00:00:00Z')): ManualClock {
  let elapsedMs = 0;
  const sleepers = new Set<Sleeper>();
  const watchers = new Set<() => void>();

  const earliestBy = (endMs: number): Sleeper | undefined =>
    [...sleepers].filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];

  return {
    now: () => new Date(startedAt.getTime() + elapsedMs),
    monotonicMs: () => elapsedMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true || ms <= 0) {
          resolve();
          return;
        }
        const wake = (): void => {
          sleepers.delete(sleeper);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const sleeper: Sleeper = { dueMs: elapsedMs + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', wake, { once: true });
        for (const look of [...watchers]) look();
      }),
    advance: async (ms) => {
      const endMs = elapsedMs + ms;
      await setImmediate();
      for (let next = earliestBy(endMs); next !== undefined; next = earliestBy(endMs)) {
        elapsedMs = next.dueMs;
        next.wake();
        await setImmediate();
      }
      elapsedMs = endMs;
    },
    untilSleepOf: (ms) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (![...sleepers].some(({ dueMs }) => dueMs === elapsedMs + ms)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
  };
}
