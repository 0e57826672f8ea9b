import type { StationWork } from '../src/gen/stationgrid/v1/work.ts';
import type { Clock } from './clock.ts';
import { fenceAfterMs } from './fence.ts';
import type { Completion } from './lease-book.ts';

/** The work that runs, by lease. */
export type Works = {
  readonly start: (id: string, work: StationWork) => void;
  /** Asks it to stop; it has stopped when `onEnded` says so. */
  readonly stop: (id: string) => void;
  readonly ids: () => string[];
  /** Stops all of it and resolves when nothing runs any more. */
  readonly stopAll: () => Promise<void>;
};

export function createWorks(options: {
  readonly clock: Clock;
  /**
   * Never rejects; ends soon after its signal aborts. Before it begins anything new it asks `heed`, which aborts the signal
   * at once when the farm has been silent too long: a host that was asleep may run this before any timer.
   */
  readonly run: (id: string, work: StationWork, signal: AbortSignal, heed: () => void) => Promise<Completion>;
  readonly onEnded: (id: string, completion: Completion) => void;
  /** On the bot's monotonic clock, when the last request was sent that the farm answered. */
  readonly answeredSentMs: () => number;
  /** The farm has been silent for so long that it may be about to give this work to another bot. */
  readonly onSilent: (id: string) => void;
}): Works {
  const { clock } = options;
  const running = new Map<string, { readonly stop: AbortController; readonly over: Promise<void> }>();

  const leftMs = (afterMs: number): number => options.answeredSentMs() + afterMs - clock.monotonicMs();

  async function watchSilence(id: string, afterMs: number, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      const waitMs = leftMs(afterMs);
      if (waitMs <= 0) {
        options.onSilent(id);
        return;
      }
      await clock.sleep(waitMs, ended);
    }
  }

  return {
    start: (id, work) => {
      const stop = new AbortController();
      const ended = new AbortController();
      const afterMs = fenceAfterMs(work);
      const heed = (): void => {
        if (leftMs(afterMs) <= 0) options.onSilent(id);
      };
      const over = options.run(id, work, stop.signal, heed).then((completion) => {
        ended.abort();
        running.delete(id);
        options.onEnded(id, completion);
      });
      running.set(id, { stop, over });
      void watchSilence(id, afterMs, ended.signal);
    },
    stop: (id) => running.get(id)?.stop.abort(),
    ids: () => [...running.keys()],
    stopAll: async () => {
      for (const { stop } of running.values()) stop.abort();
      await Promise.all([...running.values()].map(({ over }) => over));
    },
  };
}
