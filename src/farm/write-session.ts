/** One session's write: into the next commit, and the memory follows what was written. */
import { Refusal } from '../core/refusal.ts';
import { workBytes } from '../core/work-size.ts';
import type { Change, Home } from './home.ts';
import { cool, heatDevice, pass, type Search } from './matching.ts';
import type { GrantReport, SessionWrite, SessionWritten } from './session-write.ts';
import { botKey, classOf, dropSession, type HeldLease, holdLeases, redeclare, type Session } from './sessions.ts';
import { answered } from './vouch.ts';

/** A session that found work it cannot have now looks again after this. */
const BARRED_MS = 5_000;

export const writeSession = async (
  home: Home,
  push: (op: SessionWrite) => Promise<SessionWritten>,
  session: Session,
  change: Change,
): Promise<SessionWritten> => {
  const asked = whenAsked(home);
  const written = await push(writeOf(session, change)).catch((error: unknown) => {
    // It may have been committed all the same: what is remembered here is not to be trusted any more.
    if (!(error instanceof Refusal)) dropSession(home.sessions, session, 'changed');
    throw error;
  });
  answered(home);
  if (written.kind === 'detached') dropSession(home.sessions, session, 'changed');
  else follow(home, { session, change, ...asked }, written);
  return written;
};

/** What a session's change is written as. Work that goes with a new declaration is chosen by it, not by what the bot was before. */
export const writeOf = (session: Session, change: Change): SessionWrite => {
  const declared = change.declared ?? null;
  const { properties, classKey } = declared === null ? session : classOf(session.instance, declared.properties);
  return {
    name: session.name,
    instance: session.instance,
    botId: session.botId,
    attachEpoch: session.attachEpoch,
    properties,
    classKey,
    declared,
    deviceIds: declared?.deviceIds ?? session.declared.deviceIds,
    steps: change.steps ?? [],
    echoes: change.echoes ?? [],
    absent: change.absent ?? [],
    search: change.search ?? null,
    heldBytes: heldBytes(session, change),
    ending: change.ending ?? null,
    clearsErrors: change.clearsErrors ?? false,
    settles: change.settles ?? false,
    renews: change.renews ?? false,
    freeSinceMs: session.freeSinceMs,
  };
};

const heldBytes = ({ leases }: Session, { steps = [], search = null }: Change): number => {
  if (search === null || leases.size === 0) return 0;
  const ended = new Set(steps.flatMap(({ leaseId, event }) => (event === 'SHOWN_ACTIVE' ? [] : [leaseId])));
  return [...leases.values()].reduce((sum, lease) => sum + (ended.has(lease.id) ? 0 : taskBytes(lease)), 0);
};

const taskBytes = ({ work, payload }: HeldLease): number =>
  work === null ? (payload?.byteLength ?? 0) : workBytes(work);

/** When a write was asked for: the version of the hints, and monotonic ms. */
export type WhenAsked = { readonly lookedAt: number; readonly startedMs: number };

export const whenAsked = (home: Home): WhenAsked => ({
  lookedAt: home.matching.version,
  startedMs: home.clock.monotonicMs(),
});

/** The memory follows what was committed. */
export const follow = (
  home: Home,
  { session, change, lookedAt, startedMs }: WhenAsked & { readonly session: Session; readonly change: Change },
  { held, granted }: Omit<Extract<SessionWritten, { kind: 'written' }>, 'kind'>,
): void => {
  const declared = change.declared ?? null;
  const search = change.search ?? null;
  holdLeases(session, held);
  if (change.renews === true) session.writtenMs = startedMs;
  if (declared !== null) {
    const { deviceIds } = session.declared;
    redeclare(home.sessions, session, declared);
    // A job that came for a new DUT of the session before this line found nobody here to wake.
    for (const id of declared.deviceIds) if (!deviceIds.includes(id)) heatDevice(home.matching, id);
  }
  if (change.clearsErrors === true) session.erring = false;
  if (change.settles === true) session.unsettled = false;
  // One of its DUTs that is news may settle, and this report could not say that it does not run the lost lease there.
  else if (declared !== null) session.unsettled = true;
  if (search !== null) remember(home, session, search, { lookedAt, granted, settles: change.settles === true });
};

/** What the look taught: cold hints go; a session that work waits for but that may not have it now rests a little. */
const remember = (
  home: Home,
  session: Session,
  search: Search,
  found: { readonly lookedAt: number; readonly granted: GrantReport; readonly settles: boolean },
): void => {
  const { lookedAt, granted } = found;
  // What has settled in this very commit was looked at before it had: it is looked at again.
  if (granted.leases >= search.wanted || found.settles) return;
  if (granted.blockedBy !== null) {
    session.barredUntilMs = home.clock.monotonicMs() + BARRED_MS;
    session.barredWhy = granted.blockedBy;
    session.freeSinceMs = null;
  }
  for (const id of search.deviceIds) cool(home.matching.hotDevices, id, lookedAt);
  if (search.bot) cool(home.matching.hotBots, botKey(session.instance, session.botId), lookedAt);
  for (const id of search.requirementIds) {
    if (!granted.queued.has(id)) cool(home.matching.hotRequirements, id, lookedAt);
    else if (!granted.couldTake) {
      pass(home.matching.hotRequirements, id, { at: lookedAt, session: session.name });
    }
  }
};
