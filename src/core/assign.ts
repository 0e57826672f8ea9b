/** Who gets which job, given the heads of the queues: pure, so that it can be checked on its own. */

/** A session with room for more. */
export type Seeker = {
  readonly session: string;
  readonly instance: string;
  readonly botId: string;
  /** How many leases it may be given now. */
  readonly wanted: number;
  /** The DUTs it declares, the primary device's first. */
  readonly deviceIds: readonly number[];
  readonly serves: (requirementId: number) => boolean;
};

/** A queued, runnable job. */
export type Offer = {
  readonly id: number;
  readonly requirementId: number;
  readonly deviceId: number | null;
  readonly requestedBotId: string | null;
  readonly avoidedBots: readonly string[];
};

export type Assignment<S extends Seeker, O extends Offer> = {
  readonly seeker: S;
  readonly offer: O;
  /** The DUT it will run on: the pinned one, or the primary one of the session; null: none. */
  readonly deviceId: number | null;
};

/**
 * Hands out offers in the order given (priority, then age). A job that nobody here can take is passed over and delays no
 * other. A DUT gets one lease at a time; `isFree` says whether it may get any now.
 */
export const assign = <S extends Seeker, O extends Offer>(
  seekers: readonly S[],
  offers: readonly O[],
  isFree: (deviceId: number) => boolean,
): readonly Assignment<S, O>[] => {
  const room = new Map(seekers.filter(({ wanted }) => wanted > 0).map((seeker) => [seeker, seeker.wanted]));
  const taken = new Set<number>();
  const free = (deviceId: number | null): boolean => deviceId === null || (isFree(deviceId) && !taken.has(deviceId));
  const made: Assignment<S, O>[] = [];
  for (const offer of offers) {
    for (const [seeker, left] of room) {
      if (!mayTake(seeker, offer)) continue;
      const deviceId = offer.deviceId ?? seeker.deviceIds[0] ?? null;
      if (!free(deviceId)) continue;
      made.push({ seeker, offer, deviceId });
      if (deviceId !== null) taken.add(deviceId);
      if (left > 1) room.set(seeker, left - 1);
      else room.delete(seeker);
      break;
    }
    if (room.size === 0) break;
  }
  return made;
};

/** Whether the job is for this session at all, whatever room and DUTs are free just now. */
export const mayTake = (seeker: Seeker, offer: Offer): boolean =>
  seeker.serves(offer.requirementId) &&
  (offer.requestedBotId === null || offer.requestedBotId === seeker.botId) &&
  (offer.deviceId === null || seeker.deviceIds.includes(offer.deviceId)) &&
  !offer.avoidedBots.includes(seeker.botId);
