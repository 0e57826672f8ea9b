/** A bot begins a new life (bots.proto CreateBotSession), and is handed what waits for it. */
import { invalid, Refusal } from '../core/refusal.ts';
import type { Begun, NewBotSession } from './begin-sessions.ts';
import { checkClaims } from './check-claims.ts';
import type { Home } from './home.ts';
import { heatArrival, searchOf } from './matching.ts';
import { addSession, botKey, dropSession, holdLeases, inTurn, newSession, type Session } from './sessions.ts';
import type { SessionReply } from './update-bot-session.ts';

/**
 * Never waits for work, but hands out what is there (R-CRE-6). @throws Refusal INVALID, FORBIDDEN, UNAVAILABLE.
 * @param signal aborts when the caller no longer waits: what is not committed by then is not begun.
 */
export const createBotSession = async (
  home: Home,
  request: NewBotSession,
  signal: AbortSignal = stays,
): Promise<SessionReply> => {
  if (home.lineOf(request.instance) === null) throw unknownInstance(request.instance);
  checkClaims(home, request, request.self.properties);
  const begun = await home.begin({ request, signal });
  if (begun instanceof Refusal) throw begun;
  const session = settleIn(home, request, begun);
  if (!home.stopping) await offer(home, session, begun.strays);
  return {
    name: session.name,
    leases: [...session.leases.values()],
    cancelledOnce: [],
    expiresAt: new Date(home.clock.now().getTime() + home.limits.session.ttlMs),
  };
};

/** For callers that wait whatever happens. */
const stays = new AbortController().signal;

export const unknownInstance = (instance: string): Error =>
  invalid(
    'UNKNOWN_INSTANCE',
    `There is no instance ${JSON.stringify(instance)} on this farm. Use one that its configuration declares under "lines".`,
  );

/** The memory follows: the older session is gone from here, the new one is at home. */
const settleIn = (home: Home, request: NewBotSession, begun: Begun): Session => {
  const { quarantineReason, held, unsettled } = begun;
  const older = home.sessions.byBot.get(botKey(request.instance, request.botId));
  if (older !== undefined) dropSession(home.sessions, older, 'replaced');
  const row = { ...begun.session, attachEpoch: 1, quarantineReason, erring: true, unsettled };
  const session = newSession(row, begun.startedMs);
  session.dutsText = JSON.stringify(request.self.duts);
  holdLeases(session, held);
  addSession(home.sessions, session);
  heatArrival(home.matching, session);
  return session;
};

/**
 * Work that waits is handed out at once. If that fails, the session is there all the same, and its next call finds it.
 * @param strays fill room as well (R-LEASE-2).
 */
const offer = (home: Home, session: Session, strays: number): Promise<void> =>
  inTurn(session, async () => {
    const search = searchOf(home.matching, session, home.clock.monotonicMs());
    const wanted = (search?.wanted ?? 0) - strays;
    if (search !== null && wanted > 0 && !session.gone) await home.write(session, { search: { ...search, wanted } });
  }).catch((error: unknown) => {
    home.log.warn({ error: String(error) }, 'work could not be offered with a new session; its next call looks again');
  });
