/** Waiting for a wake without missing one: what is heard between two waits ends the next wait at once. */
import type { Farm, Wake } from './farm.ts';

export type Ear = {
  /** Resolves when something was heard since the last call, after `ms`, or when the signal aborts. Never rejects. */
  readonly heard: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly close: () => void;
};

/** Open it before the first look at what is waited for. */
export const openEar = (farm: Pick<Farm, 'onWake' | 'clock'>, listensTo: (wake: Wake) => boolean): Ear => {
  let latched = false;
  let rouse: () => void = () => undefined;
  const close = farm.onWake((wake) => {
    if (!listensTo(wake)) return;
    latched = true;
    rouse();
  });
  return {
    heard: async (ms, signal) => {
      if (!latched && !signal.aborted) {
        const roused = new AbortController();
        rouse = () => {
          roused.abort();
        };
        await farm.clock.sleep(ms, AbortSignal.any([signal, roused.signal]));
      }
      latched = false;
      rouse = () => undefined;
    },
    close,
  };
};
