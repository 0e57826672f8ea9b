/**
 * Clients of XML-RPC send a call again by themselves when its connection breaks before the answer is out: the same bytes, on
 * a new connection, with nothing that says so. Such a repeat has no effect of its own and gets the first answer.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../core/clock.ts';
import type { Limits } from '../../core/limits.ts';
import { createDeadlines } from '../../listen/deadlines.ts';
import type { Said } from './refuse.ts';

export type Resends = {
  /** @param key names caller, method and body. @returns the answer, and whether it is that of an earlier call. */
  readonly once: (
    key: string,
    response: ServerResponse,
    run: () => Promise<Said>,
  ) => { readonly said: Promise<Said>; readonly isRepeat: boolean };
  readonly stop: () => void;
};

type Entry = {
  readonly said: Promise<Said>;
  isRunning: boolean;
  /** Connections that wait for the answer. */
  waiting: number;
  /** Cancels its being forgotten; null: it is not about to be. */
  keep: (() => void) | null;
  isDue: boolean;
};

export const createResends = (clock: Clock, { resendMs, resendsMax }: Limits['factory']): Resends => {
  const entries = new Map<string, Entry>();
  const deadlines = createDeadlines(resendMs, clock);

  const forget = (key: string, entry: Entry): void => {
    entry.keep?.();
    if (entries.get(key) === entry) entries.delete(key);
  };

  const begin = (key: string, run: () => Promise<Said>): Entry => {
    const entry: Entry = { said: run(), isRunning: true, waiting: 0, keep: null, isDue: false };
    entries.set(key, entry);
    const settle = (isDone: boolean): void => {
      entry.isRunning = false;
      // Of what was not done there is nothing to repeat.
      if (!isDone || (entry.isDue && entry.waiting === 0)) forget(key, entry);
    };
    void entry.said.then(
      ({ kind }) => settle(kind !== 'later'),
      () => settle(false),
    );
    // Those that run are never among them: they go first in, and are counted elsewhere.
    for (const [oldKey, old] of entries) {
      if (entries.size <= resendsMax) break;
      if (!old.isRunning) forget(oldKey, old);
    }
    return entry;
  };

  /** An answer that is out ends the matter. One that was not is kept for whoever comes for it. */
  const leave = (key: string, entry: Entry, isOut: boolean): void => {
    entry.waiting -= 1;
    if (isOut) forget(key, entry);
    else if (entry.waiting === 0)
      entry.keep = deadlines.begin(() => {
        entry.isDue = true;
        if (!entry.isRunning) forget(key, entry);
      });
  };

  return {
    once: (key, response, run) => {
      const known = entries.get(key);
      const entry = known ?? begin(key, run);
      entry.keep?.();
      entry.keep = null;
      entry.isDue = false;
      entry.waiting += 1;
      const left = (): void => leave(key, entry, response.writableFinished);
      if (response.destroyed) left();
      else response.once('close', left);
      return { said: entry.said, isRepeat: known !== undefined };
    },
    stop: () => deadlines.stop(),
  };
};
