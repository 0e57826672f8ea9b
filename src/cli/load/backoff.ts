/** Between two tries of a call that failed. */
const MIN_MS = 200;
const MAX_MS = 10_000;

/** Full jitter: clients that failed together do not come again together. @param failures in a row, 1 or more. */
export const backoffMs = (failures: number, random: () => number): number =>
  MIN_MS + random() * (Math.min(MAX_MS, MIN_MS * 2 ** failures) - MIN_MS);
