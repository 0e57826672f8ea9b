/** How long to wait after a failure. */

export type BackoffLimits = {
  /** Ceiling of the first wait. */
  readonly backoffMinMs: number;
  /** Ceiling of every wait. */
  readonly backoffMaxMs: number;
};

/** Doubling a ceiling beyond this many times would leave the safe integers long after it has passed any maximum. */
const DOUBLINGS_MAX = 30;

/**
 * Milliseconds to wait after so many failures in a row: a random share of a ceiling that doubles. Full jitter, since the
 * lanes of a line fail together, and must not come back together.
 * @param failures 1 or more.
 * @param random in [0, 1).
 */
export const backoffMs = (failures: number, limits: BackoffLimits, random: number): number => {
  const doublings = Math.min(Math.max(failures - 1, 0), DOUBLINGS_MAX);
  return Math.round(random * Math.min(limits.backoffMaxMs, limits.backoffMinMs * 2 ** doublings));
};
