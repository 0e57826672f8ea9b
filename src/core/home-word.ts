/** How far a replica's word on its sessions goes without the database (ARCHITECTURE, Loss and clocks). */

export type HomeWord =
  /** What is remembered may be said. */
  | 'good'
  /** The database has not heard of the bot for too long: it must, before the bot is answered. */
  | 'old'
  /** And it does not answer this replica: another one must. */
  | 'cut off';

/** All of one machine's monotonic clock, in ms. */
export type Hearing = {
  readonly nowMs: number;
  /** The newest sign of life of the bot that the database is known to have. */
  readonly writtenMs: number;
  /** The database's last answer of any kind, when a heartbeat did not reach it since; null: none has failed so. */
  readonly silentSinceMs: number | null;
};

/**
 * A bot stops work by itself so long after it sent the last request that was answered; the farm gives it away so long after
 * the last sign of life in the database. An answer moves the first of these clocks, so it must not leave while the second is
 * further behind than the one is shorter than the other.
 */
export const homeWord = ({ nowMs, writtenMs, silentSinceMs }: Hearing, silentMaxMs: number): HomeWord => {
  if (nowMs - writtenMs <= silentMaxMs) return 'good';
  return isCutOff({ nowMs, silentSinceMs }, silentMaxMs) ? 'cut off' : 'old';
};

/** Whether the replica is of no use to bots. */
export const isCutOff = ({ nowMs, silentSinceMs }: Omit<Hearing, 'writtenMs'>, silentMaxMs: number): boolean =>
  silentSinceMs !== null && nowMs - silentSinceMs > silentMaxMs;
