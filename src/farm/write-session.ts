/** One session's write: into the next commit, and the memory follows what was written. */
import type { Change, Home } from './home.ts';
import { cool, heatDevice, type Search } from './matching.ts';
import type { GrantReport, SessionWrite, SessionWritten } from './session-write.ts';
import { botKey, dropSession, holdLeases, redeclare, type Session } from './sessions.ts';

/** A session that found work it cannot have now looks again after this. */
const BARRED_MS = 5_000;

export const writeSession = async (
  home: Home,
  push: (op: SessionWrite) => Promise<SessionWritten>,
  session: Session,
  change: Change,
): Promise<SessionWritten> => {
  const lookedAt = home.matching.version;
  const declared = change.declared ?? null;
  const search = change.search ?? null;
  const written = await push({
    name: session.name,
    instance: session.instance,
    botId: session.botId,
    attachEpoch: session.attachEpoch,
    properties: session.properties,
    classKey: session.classKey,
    declared,
    deviceIds: declared?.deviceIds ?? session.declared.deviceIds,
    steps: change.steps ?? [],
    echoes: change.echoes ?? [],
    search,
    ending: change.ending ?? null,
    clearsErrors: change.clearsErrors ?? false,
    settles: change.settles ?? false,
  });
  if (written.kind === 'detached') {
    dropSession(home.sessions, session, 'changed');
    return written;
  }
  holdLeases(session, written.held);
  if (declared !== null) {
    const { deviceIds } = session.declared;
    redeclare(home.sessions, session, declared);
    // What waits for a DUT that was not here before was never hinted at here.
    for (const id of declared.deviceIds) if (!deviceIds.includes(id)) heatDevice(home.matching, id);
  }
  if (change.clearsErrors === true) session.erring = false;
  if (search !== null) remember(home, session, search, { lookedAt, granted: written.granted });
  return written;
};

/** What the look taught: cold hints go; a session that work waits for but that may not have it now rests a little. */
const remember = (
  home: Home,
  session: Session,
  search: Search,
  found: { readonly lookedAt: number; readonly granted: GrantReport },
): void => {
  const { lookedAt, granted } = found;
  if (granted.leases >= search.wanted) return;
  if (granted.blockedBy !== null) {
    session.barredUntilMs = home.clock.monotonicMs() + BARRED_MS;
    session.barredWhy = granted.blockedBy;
  }
  for (const id of search.deviceIds) cool(home.matching.hotDevices, id, lookedAt);
  if (search.bot) cool(home.matching.hotBots, botKey(session.instance, session.botId), lookedAt);
  if (granted.empty) for (const id of search.requirementIds) cool(home.matching.hotRequirements, id, lookedAt);
};
