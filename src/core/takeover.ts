/** Two machines with one bot_id fight over its session: seen by the turns they take (R-CRE-9). */

/** One registration of a bot_id. `at`: ISO 8601 by the database's clock. */
export type Registration = { readonly at: string; readonly peer: string };

export type TakeoverWatch = {
  /** What to remember for the next registration. */
  readonly registrations: readonly Registration[];
  /** Why the bot is to be quarantined; null: all is well. */
  readonly alarm: string | null;
};

/** Registrations remembered of one bot, at most. */
const REMEMBERED_MAX = 16;

/**
 * An alternation is a registration by a peer that was there before but was not the last one: a bot that restarts comes
 * from a new port every time and never alternates, two live ones do.
 */
export const watchTakeovers = (
  before: readonly Registration[],
  now: Registration,
  limits: { readonly takeoversMax: number; readonly takeoverWindowMs: number },
): TakeoverWatch => {
  const since = Date.parse(now.at) - limits.takeoverWindowMs;
  const registrations = [...before.filter(({ at }) => Date.parse(at) >= since), now].slice(-REMEMBERED_MAX);
  const peers = registrations.map(({ peer }) => peer);
  const alternations = peers.filter(
    (peer, index) => index > 1 && peer !== peers[index - 1] && peers.indexOf(peer) < index - 1,
  );
  if (alternations.length < limits.takeoversMax) return { registrations, alarm: null };
  const [one, other] = [...new Set(peers)].slice(-2);
  return {
    // The slate is clean once a human has released the bot.
    registrations: [],
    alarm:
      `two machines use this bot_id in turn: ${one ?? ''} and ${other ?? ''}; ` +
      'give each its own bot_id, then release the bot',
  };
};
