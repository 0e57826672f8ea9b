/** Somebody else than its bot has changed a session: its home looks again, and answers a parked poll if that matters. */
import { readSessions } from '../store/bot-sessions.ts';
import { readHeldLeases } from '../store/leases.ts';
import type { Home } from './home.ts';
import { dropSession, holdLeases, inTurn, type Session } from './sessions.ts';

export const refreshSession = async (home: Home, name: string): Promise<void> => {
  const session = home.sessions.byName.get(name);
  if (session === undefined) return;
  await inTurn(session, () => refresh(home, session));
};

const refresh = async (home: Home, session: Session): Promise<void> => {
  const [row] = await readSessions(home.pool, [session.name]);
  if (row?.attachEpoch !== session.attachEpoch || row.state === 'CLOSED') {
    dropSession(home.sessions, session, row?.state === 'CLOSED' ? 'replaced' : 'changed');
    return;
  }
  const before = session.leases;
  session.quarantineReason = row.quarantineReason;
  session.erring = row.erring;
  holdLeases(session, await readHeldLeases(home.pool, [session.name]));
  notAccepted(home, session, before);
  const differs =
    before.size !== session.leases.size ||
    [...session.leases].some(([id, lease]) => before.get(id)?.state !== lease.state);
  if (differs) session.parked?.end('changed');
  else home.feed();
};

/** A lease that was withdrawn un-started from a bot that never showed it: the bot rests before it is given another. */
const notAccepted = (home: Home, session: Session, before: Session['leases']): void => {
  for (const [id, lease] of before) {
    if (lease.state !== 'PENDING' || lease.echoed || session.leases.has(id)) continue;
    session.barredUntilMs = home.clock.monotonicMs() + home.limits.jobs.acceptUnechoedMs;
    session.barredWhy = 'it did not accept the lease it was sent';
  }
};
