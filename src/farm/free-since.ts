/**
 * Since when a bot has waited for work that it may be given. A job that waits for want of a bot is the line's affair; one that
 * waits beside a bot is ours, and only this tells the two apart.
 */
import { drainOf, type Matching } from './matching.ts';
import { roomOf, type Session } from './sessions.ts';

/** Polls of one bot follow each other at once. One that comes later than this had not asked meanwhile. */
const BETWEEN_POLLS_MS = 1_000;

/** A call of the bot has come. */
export const noteCall = (session: Session, nowMs: number): void => {
  if (session.parked === null && nowMs - session.repliedMs > BETWEEN_POLLS_MS) session.freeSinceMs = null;
};

/** Its poll is parked. Drained, quarantined, or with a DUT that is not ready, it waits for something else than work. */
export const noteParked = (matching: Matching, session: Session, nowMs: number): void => {
  if (roomOf(session, nowMs) === 0 || drainOf(matching, session) !== null) session.freeSinceMs = null;
  else session.freeSinceMs ??= nowMs;
};
