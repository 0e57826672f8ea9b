/** Polls that wait: for work, or for their turn to be answered. A timer and an entry in memory each, and no SQL. */
import { holdMs } from '../core/bot-session.ts';
import { noteParked } from './free-since.ts';
import type { Home } from './home.ts';
import type { Session, WakeCause } from './sessions.ts';

/** How long the caller waits, and whether it still does. */
export type Patience = {
  /** Milliseconds to the client's deadline; null: it set none. */
  readonly untilDeadlineMs: number | null;
  readonly signal: AbortSignal;
};

/** Holds the poll until work, a newer call or its time ends it (R-GEN-4). */
export const park = (home: Home, session: Session, patience: Patience): Promise<void> | null => {
  const limits = { ...home.limits.poll, ttlMs: home.limits.session.ttlMs };
  const forMs = holdMs(patience.untilDeadlineMs, limits, home.random());
  if (forMs <= 0 || home.stopping || session.gone || patience.signal.aborted) return null;
  if (home.sessions.parked >= home.limits.poll.parkedMax) return pace(home, session, patience);
  return hold(home, session, patience, forMs);
};

/** Answers that change nothing come at a pace, whatever the bot's own (R-POLL-8). */
const PACE_MAX_MS = 1_000;
export const pace = (home: Home, session: Session, patience: Patience): Promise<void> | null => {
  const dueMs = session.repliedMs + 1_000 / home.limits.poll.repliesPerSecondMax;
  const patienceMs = patience.untilDeadlineMs === null ? PACE_MAX_MS : patience.untilDeadlineMs / 2;
  const forMs = Math.min(dueMs - home.clock.monotonicMs(), PACE_MAX_MS, patienceMs);
  return forMs <= 0 || home.stopping ? null : home.clock.sleep(forMs, patience.signal);
};

const hold = async (home: Home, session: Session, patience: Patience, forMs: number): Promise<void> => {
  const startedMs = home.clock.monotonicMs();
  const ending = new AbortController();
  let cause: WakeCause = 'time';
  const end = (why: WakeCause): void => {
    if (session.parked === parked) session.parked = null;
    cause = why;
    ending.abort();
  };
  const parked = { end };
  const leave = (): void => {
    end('client gone');
  };
  session.parked = parked;
  noteParked(home.matching, session, startedMs);
  home.sessions.parked += 1;
  home.witness.pollParked(session.instance);
  patience.signal.addEventListener('abort', leave, { once: true });
  // Work may have become hot while this call was on its way here.
  home.feed();
  await home.clock.sleep(forMs, ending.signal);
  patience.signal.removeEventListener('abort', leave);
  home.sessions.parked -= 1;
  if (session.parked === parked) session.parked = null;
  const heldMs = home.clock.monotonicMs() - startedMs;
  home.witness.pollEnded({ instance: session.instance, cause, heldMs });
};
