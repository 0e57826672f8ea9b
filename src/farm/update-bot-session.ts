/**
 * The loop of the farm (bots.proto UpdateBotSession): hear what the bot reports, write what that changes, give it work if
 * there is some, or hold its poll until there is. A poll that changes nothing and finds nothing runs no SQL, as long as the
 * database has heard of its bot lately.
 */
import { BOT_TERMINATING, instanceOfSession, takesWork } from '../core/bot-session.ts';
import { type Reading, readReport, type SessionReport } from '../core/session-report.ts';
import type { Declared } from '../store/bot-sessions.ts';
import { checkClaims } from './check-claims.ts';
import { transact } from './farm.ts';
import { findSession } from './find-session.ts';
import { noteCall } from './free-since.ts';
import type { Change, Home } from './home.ts';
import { heatDevice, type Search, searchOf } from './matching.ts';
import { pace, park, type Patience } from './park.ts';
import { resolveDevices } from './resolve-devices.ts';
import { classOf, dropSession, type HeldLease, inTurn, type Session } from './sessions.ts';
import { vouch, vouchAfterHold } from './vouch.ts';

/** What the bot is answered; status, worker and version are echoed by the door, as received. */
export type SessionReply = {
  readonly name: string;
  readonly leases: readonly HeldLease[];
  /** Leases that ended behind the bot's back: CANCELLED on the wire, once. */
  readonly cancelledOnce: readonly string[];
  /** When the session ends unless the bot calls again; by this machine's clock, for the bot to show. */
  readonly expiresAt: Date;
};

/** How often a call starts over because its session moved to another home under it. */
const REATTACH_MAX = 3;

/** @throws Refusal SESSION_UNKNOWN, SESSION_CLOSED, FORBIDDEN, UNAVAILABLE. Never for one lease (invariant 6). */
export const updateBotSession = async (
  home: Home,
  report: SessionReport,
  patience: Patience,
): Promise<SessionReply> => {
  const bot = { instance: instanceOfSession(report.name), botId: report.botId };
  for (let tries = 1; ; tries += 1) {
    const session = await findSession(home, report.name, bot);
    const heard = await inTurn(session, () => hear(home, session, report, patience));
    if (heard === 'moved' && tries < REATTACH_MAX) continue;
    if (heard === 'moved') return reply(home, session, []);
    const { cancelledOnce } = heard;
    if (heard.parked !== null) {
      await heard.parked;
      await vouchAfterHold(home, session);
    }
    return reply(home, session, cancelledOnce);
  }
};

type Heard = {
  readonly cancelledOnce: readonly string[];
  /** Ends when the poll may be answered; null: at once. */
  readonly parked: Promise<void> | null;
};

/** Everything that must not overlap with another call of the session. Parking begins here and is waited for outside. */
const hear = async (
  home: Home,
  session: Session,
  report: SessionReport,
  patience: Patience,
): Promise<Heard | 'moved'> => {
  if (session.gone) return 'moved';
  // Its bot has given this call up and says it all again; what it has started since, this report would leave out.
  if (patience.signal.aborted) return { cancelledOnce: [], parked: null };
  // A newer call of the same session ends the older parked one, with OK and what it holds (R-POLL-7). Not before its
  // turn: until then the older one may still be on its way to being parked.
  const nowMs = home.clock.monotonicMs();
  noteCall(session, nowMs);
  session.parked?.end('newer call');
  session.seenMs = nowMs;
  const reading = readReport(report, session.leases, session.told);
  const change = vouch(home, session, await changeOf(home, session, report, reading));
  if (change !== null) {
    const written = await home.write(session, change);
    if (written.kind === 'detached') return 'moved';
  }
  // Only now: had the write failed, the DUTs would have to be declared again.
  session.dutsText = JSON.stringify(report.self.duts);
  // Asked again: the write has brought what the database knows.
  const cancelledOnce = untold(session, reading).filter((id) => !session.leases.has(id));
  for (const id of cancelledOnce) tell(session, id);
  const ending = change?.ending ?? null;
  // A lease that only the database knew keeps the session open.
  if (ending !== null && session.leases.size === 0) {
    dropSession(home.sessions, session, 'changed');
    return { cancelledOnce, parked: null };
  }
  const idle = report.leases.length === 0 && session.leases.size === 0;
  if (idle && takesWork(report.self.status)) return { cancelledOnce, parked: park(home, session, patience) };
  return { cancelledOnce, parked: change === null ? pace(home, session, patience) : null };
};

/** What must be written; null: nothing, the hot path. */
const changeOf = async (
  home: Home,
  session: Session,
  report: SessionReport,
  reading: Reading,
): Promise<Change | null> => {
  const declared = await declaredAnew(home, session, report);
  const steps = reading.steps.map((step) => ({ ...step, why: whyOf(step.event, step.completion?.message ?? '') }));
  const ended = closing(session, reading);
  const left = session.leases.size - ended;
  const ending = report.self.status === BOT_TERMINATING && left <= 0 ? 'the bot has terminated' : null;
  const completed = reading.steps.some(({ event, leaseId }) => event === 'COMPLETED_OK' && session.leases.has(leaseId));
  const settles = endsSettling(session, report, declared);
  // What it reports as done now makes room in the same reply (R-UPD-3).
  const freed = ended - strangers(session, report);
  const search = ending === null ? searchAfter(home, session, { declared, freed, isFresh: ended > 0 }) : null;
  const { echoes, absent } = reading;
  // A bot stops what it is told is CANCELLED. That a lease is not its session's may be news from before another home had
  // it, so it is said only after a write, which the attach epoch fences.
  const seen = steps.length + echoes.length + absent.length + untold(session, reading).length;
  if (declared === null && seen === 0 && ending === null && search === null && !settles) return null;
  return {
    declared,
    steps,
    echoes,
    absent,
    search,
    ending,
    clearsErrors: completed && session.erring,
    settles,
  };
};

/**
 * The bot is OK and runs nothing that is not its session's (invariant 8). Only a report in the session says so: a CreateBotSession may
 * be an older word than the last report, if what carried it took its time or sent it twice.
 */
const endsSettling = (session: Session, report: SessionReport, declared: Declared | null): boolean => {
  const isNews = session.unsettled || declared !== null;
  return isNews && takesWork(report.self.status) && strangers(session, report) === 0;
};

/** Leases that the bot shows and that are not its session's, as far as is remembered here: to be told so once. */
const untold = (session: Session, { strays }: Reading): readonly string[] =>
  strays.filter((id) => !session.told.has(id));

/** Held leases that the reading ends. */
const closing = (session: Session, { steps }: Reading): number =>
  steps.filter(({ leaseId, event }) => session.leases.has(leaseId) && event !== 'SHOWN_ACTIVE').length;

/** Work that is no longer ours but that the bot has not let go of: it fills room all the same (R-LEASE-2). */
const strangers = (session: Session, { leases }: SessionReport): number =>
  leases.filter(({ id, state }) => state !== 'COMPLETED' && !session.leases.has(id)).length;

/**
 * The search of the session as it will be once this report is written.
 * @param next.freed leases that end now, less those that fill room elsewhere.
 * @param next.isFresh a lease ends now: what barred the session may have been that, and its end may let the next job of
 * its route run on the same DUT.
 */
const searchAfter = (
  home: Home,
  session: Session,
  next: { readonly declared: Declared | null; readonly freed: number; readonly isFresh: boolean },
): Search | null => {
  if (home.stopping) return null;
  const declared = next.declared ?? session.declared;
  // What waits for a DUT that was not here before was never hinted at here.
  const isNews = next.isFresh || next.declared !== null;
  if (isNews) for (const id of declared.deviceIds) heatDevice(home.matching, id);
  const later: Session = {
    ...session,
    ...(next.declared === null ? {} : classOf(session.instance, declared.properties)),
    declared: { ...declared, capacity: declared.capacity + next.freed },
    barredUntilMs: next.isFresh ? 0 : session.barredUntilMs,
  };
  const search = searchOf(home.matching, later, home.clock.monotonicMs());
  return search === null ? null : { ...search, wanted: Math.min(search.wanted, declared.capacity) };
};

/** What the bot newly says of itself, its DUTs looked up; null: nothing new, and then no SQL. */
const declaredAnew = async (home: Home, session: Session, { self }: SessionReport): Promise<Declared | null> => {
  const dutsText = JSON.stringify(self.duts);
  const was = session.declared;
  const sameDuts = session.dutsText === dutsText;
  const sameSelf =
    was.status === self.status &&
    was.version === self.version &&
    was.capacity === self.capacity &&
    was.properties === self.properties;
  if (sameDuts && sameSelf) return null;
  // Also when it says nothing new, but its home is: what may be declared has perhaps changed since.
  checkClaims(home, session, self.properties);
  const deviceIds = sameDuts
    ? was.deviceIds
    : self.duts.length === 0
      ? []
      : await transact(home, (db) => resolveDevices(db, session.instance, self.duts));
  const moved = deviceIds.length !== was.deviceIds.length || deviceIds.some((id, index) => id !== was.deviceIds[index]);
  if (sameSelf && !moved) return null;
  const { status, version, capacity, properties } = self;
  return { status, version, capacity, properties, deviceIds };
};

const whyOf = (event: Reading['steps'][number]['event'], message: string): string => {
  switch (event) {
    case 'ABSENT_AGAIN':
      return 'the bot no longer lists the lease';
    case 'SHOWN_CANCELLED':
      return 'cancelled by the bot';
    case 'HANDED_BACK':
      return 'handed back by a bot that is leaving';
    case 'COMPLETED_OK':
    case 'SHOWN_ACTIVE':
      return '';
    default:
      return message === '' ? `the bot reported ${event.replace('COMPLETED_', '').toLowerCase()}` : message;
  }
};

/** Leases of which it was told once; the oldest are forgotten, and being told twice does no harm. */
const TOLD_MAX = 64;
const tell = (session: Session, leaseId: string): void => {
  session.told = new Set([...session.told, leaseId].slice(-TOLD_MAX));
};

/** A session that is gone is answered with what it held: R-POLL-7, never an error. */
const reply = (home: Home, session: Session, cancelledOnce: readonly string[]): SessionReply => {
  const nowMs = home.clock.monotonicMs();
  session.seenMs = nowMs;
  session.repliedMs = nowMs;
  return {
    name: session.name,
    leases: [...session.leases.values()],
    cancelledOnce,
    expiresAt: new Date(home.clock.now().getTime() + home.limits.session.ttlMs),
  };
};
