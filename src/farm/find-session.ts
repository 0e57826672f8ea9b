/** The session a call speaks of: at home in memory, or taken over from another replica, or refused with the reason. */
import type { BotIdentity } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import type { Home } from './home.ts';
import { heatArrival } from './matching.ts';
import { isOf } from './session-refusals.ts';
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

const attach = async (home: Home, name: string, bot: BotIdentity | null): Promise<Session> => {
  const startedMs = home.clock.monotonicMs();
  const taken = await home.take({ name, bot });
  if (taken instanceof Refusal) throw taken;
  const there = home.sessions.byName.get(name);
  // Two calls of one bot arrived together; the later epoch is the one that holds, and what was read with it.
  if (there !== undefined && there.attachEpoch >= taken.row.attachEpoch) return there;
  if (there !== undefined) dropSession(home.sessions, there, 'changed');
  const session = newSession({ ...taken.row, unsettled: taken.unsettled }, startedMs);
  holdLeases(session, taken.held);
  addSession(home.sessions, session);
  heatArrival(home.matching, session);
  return session;
};
