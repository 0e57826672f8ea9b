/** The session a call speaks of: at home in memory, or taken over from another replica, or refused with the reason. */
import type { BotIdentity } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import { attachSessions, readSessions, type SessionRow } from '../store/bot-sessions.ts';
import { readHeldLeases } from '../store/leases.ts';
import { transact } from './farm.ts';
import type { Home } from './home.ts';
import { heatArrival } from './matching.ts';
import { addSession, dropSession, holdLeases, newSession, type Session } from './sessions.ts';

/**
 * @param bot whose the session must be; null: anybody's.
 * @throws Refusal SESSION_UNKNOWN (also when the session is another bot's), SESSION_CLOSED.
 */
export const findSession = async (home: Home, name: string, bot: BotIdentity | null): Promise<Session> => {
  const session = home.sessions.byName.get(name);
  if (session !== undefined && isOf(session, bot)) return session;
  // Another's that is at home here is looked up as an absent one is, so that not even the time tells them apart.
  return attach(home, name, bot);
};

/** @param bot null: anybody's will do. */
export const isOf = (session: BotIdentity, bot: BotIdentity | null): boolean =>
  bot === null || (session.botId === bot.botId && session.instance === bot.instance);

const attach = async (home: Home, name: string, bot: BotIdentity | null): Promise<Session> => {
  const startedMs = home.clock.monotonicMs();
  const found = await transact(home, async (db) => {
    const [before] = await readSessions(db, [name]);
    // The very answer of an absent one: a bot learns nothing of another's session, and closes nothing.
    if (before === undefined || !isOf(before, bot)) throw unknownSession(name);
    const [row] = await attachSessions(db, [name], { replica: home.replica, ttlMs: home.limits.session.ttlMs });
    if (row === undefined) throw closedSession(before);
    return { row, held: await readHeldLeases(db, [name]), before };
  });
  // Tells the former home, which may have a poll of it parked.
  if (found.before.homeReplica !== home.replica) home.wake([{ kind: 'session', name }]);
  const there = home.sessions.byName.get(name);
  // Two calls of one bot arrived together; the later epoch is the one that holds, and what was read with it.
  if (there !== undefined && there.attachEpoch >= found.row.attachEpoch) return there;
  if (there !== undefined) dropSession(home.sessions, there, 'changed');
  const session = newSession(found.row, startedMs);
  holdLeases(session, found.held);
  addSession(home.sessions, session);
  heatArrival(home.matching, session);
  return session;
};

export const unknownSession = (name: string): Refusal =>
  new Refusal(
    'SESSION_UNKNOWN',
    'SESSION_UNKNOWN',
    `There is no bot session ${JSON.stringify(name)} of this bot. Create one with CreateBotSession.`,
  );

export const closedSession = ({ name, closedAt, closedReason }: SessionRow): Refusal =>
  new Refusal(
    'SESSION_CLOSED',
    'SESSION_CLOSED',
    `The bot session ${JSON.stringify(name)} was closed at ${closedAt?.toISOString() ?? 'just now'}: ` +
      `${closedReason ?? 'unknown'}. Create a new session with CreateBotSession.`,
    { closedReason: closedReason ?? '' },
  );
