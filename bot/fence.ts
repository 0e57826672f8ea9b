import type { StationWork } from '../src/gen/stationgrid/v1/work.ts';
import { toMs } from './time-on-the-wire.ts';

/** For work that names none: the farm's own default. */
const LOST_AFTER_MS = 90_000;
const FENCE_BEFORE_MS = 30_000;
/** Calls per lost_after that keep a lease alive. */
const SIGNS_OF_LIFE = 6;

export const lostAfterMs = (work: StationWork): number => toMs(work.lostAfter) ?? LOST_AFTER_MS;

/**
 * How long after it sent the last request that was answered a bot stops this work by itself, in milliseconds: 30 s before
 * the farm may give it away, and where that leaves too little (lost_after under 90 s) after two thirds of it.
 */
export const fenceAfterMs = (work: StationWork): number => {
  const ms = lostAfterMs(work);
  return ms - Math.min(FENCE_BEFORE_MS, ms / 3);
};

/** How often a bot with this work has to be heard so that some lost calls do not matter. */
export const signOfLifeMs = (work: StationWork): number => lostAfterMs(work) / SIGNS_OF_LIFE;
