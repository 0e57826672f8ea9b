/* eslint-disable no-restricted-properties, no-restricted-imports, no-restricted-syntax --
   The one file of the bot that touches the real clock and real chance: all others take them as arguments. */
import { setTimeout } from 'node:timers/promises';
import type { Clock } from './clock.ts';

/** What a bot takes from the machine it runs on, unless it is given something else. */
export type Machine = {
  readonly clock: Clock;
  /** Between 0 and 1. */
  readonly random: () => number;
};

export const machine: Machine = {
  clock: {
    now: () => new Date(),
    monotonicMs: () => globalThis.performance.now(),
    sleep: async (ms, signal) => {
      try {
        await setTimeout(ms, undefined, signal === undefined ? {} : { signal });
      } catch {
        // The only error it knows is the abort, which ends the sleep early and is no fault.
      }
    },
  },
  random: () => Math.random(),
};
