/** What a bot's own status means, and how long its poll is held. Pure arithmetic of the Bots contract. */

/** bots.proto BotStatus; an unknown number is kept as it is and shown as STATUS_<n>. */
const statusNames: readonly string[] = [
  'UNSPECIFIED',
  'OK',
  'UNHEALTHY',
  'HOST_REBOOTING',
  'BOT_TERMINATING',
  'INITIALIZING',
  'MAINTENANCE',
];
export const OK = 1;
export const HOST_REBOOTING = 3;
export const BOT_TERMINATING = 4;

export const statusName = (status: number): string => statusNames[status] ?? `STATUS_${String(status)}`;

/** Only OK takes new leases (docs/reference/contract.md, statuses). */
export const takesWork = (status: number): boolean => status === OK;

/** Leases it has not started go back to the queue at once. */
export const handsBack = (status: number): boolean => status === BOT_TERMINATING || status === HOST_REBOOTING;

export type HoldLimits = {
  /** Longest hold of an idle bot's poll. */
  readonly holdMaxMs: number;
  /** Longest hold for a session with open leases. */
  /** The session's time to live; a hold never exceeds 0.8 of it. */
  readonly ttlMs: number;
};

/** Bounds of the margin left for the reply to reach the client before its deadline. */
const MARGIN_MIN_MS = 300;
const MARGIN_MAX_MS = 10_000;

/**
 * How long to hold a poll, in milliseconds; 0 means: answer at once (R-POLL-2 and -3).
 * @param untilDeadlineMs time to the client's deadline; null when it set none.
 * @param random in [0, 1): shortens the hold by up to 10 %, so that restarted bots do not call in waves.
 */
export const holdMs = (untilDeadlineMs: number | null, limits: HoldLimits, random: number): number => {
  const cap = Math.min(limits.holdMaxMs, 0.8 * limits.ttlMs);
  const margin = untilDeadlineMs === null ? 0 : Math.min(Math.max(0.2 * untilDeadlineMs, MARGIN_MIN_MS), MARGIN_MAX_MS);
  const hold = untilDeadlineMs === null ? cap : Math.min(untilDeadlineMs - margin, cap);
  return Math.max(0, hold * (1 - 0.1 * random));
};

/** Sessions are named `<instance>/<uuid>`. Of a text that names none, something that is no instance of anybody's. */
export const instanceOfSession = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('/')));
