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

/** What a home knows of a session's life. Monotonic ms, as above. */
export type Heard = {
  /** The bot was last heard of. */
  readonly seenMs: number;
  readonly writtenMs: number;
  /** While it holds some it is busy: what it is answered moves their clock. */
  readonly leases: { readonly size: number };
};

/** Of a session that holds nothing the database must have heard within this share of the ttl, or it could lapse. */
const IDLE_SHARE = 2 / 3;

/**
 * A session without leases has nothing that could be given away: what its bot is told may rest on the home's own heartbeat, as
 * long as the session cannot lapse meanwhile. Returns since when its word counts.
 */
export const wordSince = (
  { writtenMs, leases }: Omit<Heard, 'seenMs'>,
  { nowMs, beatMs, ttlMs }: { readonly nowMs: number; readonly beatMs: number; readonly ttlMs: number },
): number => (leases.size > 0 || nowMs - writtenMs > ttlMs * IDLE_SHARE ? writtenMs : Math.max(writtenMs, beatMs));

export type RenewalTimes = {
  readonly nowMs: number;
  readonly tickMs: number;
  readonly silentMaxMs: number;
  readonly ttlMs: number;
};

/**
 * The sessions that a heartbeat renews, of those that were heard of since the database last was told: each in its turn, the
 * longest untold first, so that a round of them is over before any word is too old; two ticks for the busy ones by default,
 * nine for the idle ones. Bots that came all at once are spread over the round, and a late tick makes no word too old.
 */
export const sessionsToRenew = <S extends Heard>(
  sessions: readonly S[],
  { nowMs, tickMs, silentMaxMs, ttlMs }: RenewalTimes,
): readonly S[] => {
  const untold = sessions.filter(({ seenMs, writtenMs }) => seenMs > writtenMs);
  const inTurn = (isBusy: boolean, roundMs: number): readonly S[] => {
    const those = untold.filter(({ leases }) => leases.size > 0 === isBusy);
    const share = Math.ceil((those.length * tickMs) / Math.max(tickMs, roundMs));
    return those
      .sort((one, other) => one.writtenMs - other.writtenMs)
      .filter(({ writtenMs }, index) => index < share || nowMs - writtenMs >= roundMs);
  };
  return [...inTurn(true, silentMaxMs - 2 * tickMs), ...inTurn(false, ttlMs / 2)];
};
