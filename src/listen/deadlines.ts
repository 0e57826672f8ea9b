/** Many things that all have the same time: what began first is over first, so one sleeper is enough for all of them. */
import type { Clock } from '../core/clock.ts';

export type Deadlines = {
  /** @returns what says that it is done, in time. */
  readonly begin: (expire: () => void) => () => void;
  /** Nothing expires any more. */
  readonly stop: () => void;
};

type Entry = { readonly dueMs: number; readonly expire: () => void };

export const createDeadlines = (withinMs: number, clock: Clock): Deadlines => {
  // In the order of their beginning.
  const entries = new Set<Entry>();
  const stopped = new AbortController();
  let isWatched = false;

  const expireDue = (): void => {
    const nowMs = clock.monotonicMs();
    for (const entry of entries) {
      if (entry.dueMs > nowMs) return;
      entries.delete(entry);
      entry.expire();
    }
  };

  /** Ends when nothing is left to watch. */
  const watch = async (): Promise<void> => {
    isWatched = true;
    for (;;) {
      const [first] = entries;
      if (first === undefined) break;
      await clock.sleep(Math.max(0, first.dueMs - clock.monotonicMs()), stopped.signal);
      expireDue();
    }
    isWatched = false;
  };

  return {
    begin: (expire) => {
      const entry = { dueMs: clock.monotonicMs() + withinMs, expire };
      if (stopped.signal.aborted) return () => undefined;
      entries.add(entry);
      if (!isWatched) void watch();
      return () => entries.delete(entry);
    },
    stop: () => {
      entries.clear();
      stopped.abort();
    },
  };
};
