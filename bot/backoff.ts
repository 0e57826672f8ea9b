import type { Limits } from './limits.ts';

/**
 * How long to wait after the n-th failure in a row (1 is the first). Full jitter: anything between the least and the
 * doubled bound, so that a farm that comes back is not met by all its bots at once.
 */
export const backoffMs = (failures: number, random: () => number, limits: Limits): number => {
  const bound = Math.min(limits.backoffMaxMs, limits.backoffMinMs * 2 ** failures);
  return limits.backoffMinMs + random() * (bound - limits.backoffMinMs);
};
