/** A bot begins a new life (bots.proto CreateBotSession): the older one ends in the same transaction (invariant 3). */
import { statusName, takesWork } from '../core/bot-session.ts';
import { farmEvent } from '../core/farm-event.ts';
import { isOpen } from '../core/lease.ts';
import { invalid, Refusal } from '../core/refusal.ts';
import { readReport, type Remembered, type SessionReport } from '../core/session-report.ts';
import { watchTakeovers } from '../core/takeover.ts';
import {
  closeSessions,
  type Declared,
  insertSession,
  lockBot,
  lockLiveSessions,
  quarantineBot,
  type SessionRow,
  writeTakeovers,
} from '../store/bot-sessions.ts';
import { endSettling } from '../store/devices.ts';
import { lockJobs } from '../store/jobs.ts';
import { type LeaseRow, lockOpenLeases, readHeldLeases, readLeases } from '../store/leases.ts';
import { readOutageEnd } from '../store/sweeps.ts';
import { readStanding } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import { checkClaims } from './check-claims.ts';
import { transact } from './farm.ts';
import type { Home } from './home.ts';
import { appendEvents } from '../store/farm-events.ts';
import { keepLate } from './keep-late.ts';
import { announce, type Ledger, openLedger, writeLedger } from './ledger.ts';
import { heatArrival, searchOf } from './matching.ts';
import { resolveDevices } from './resolve-devices.ts';
import { addSession, botKey, dropSession, holdLeases, inTurn, newSession, type Session } from './sessions.ts';
import { settleLease } from './settle-lease.ts';
import type { SessionReply } from './update-bot-session.ts';

export type NewBotSession = Omit<SessionReport, 'name'> & {
  readonly instance: string;
  /** Where the call came from; only for the takeover watch and for people. */
  readonly peer: string;
};

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
  const startedMs = home.clock.monotonicMs();
  // A transaction of its own: registering DUTs locks them, and DUTs come after leases in the lock order.
  const deviceIds = await transact(home, (db) => resolveDevices(db, request.instance, request.self.duts));
  const begun = await transact(home, async (db) => {
    const begun = await begin(home, db, { ...request, deviceIds });
    // Its bot has given this call up, and may have begun another session since, with work in it: this one would end that.
    if (signal.aborted) throw callerLeft();
    return begun;
  });
  const session = settleIn(home, request, { ...begun, startedMs });
  announce(begun.ledger, home);
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

const callerLeft = (): Error =>
  new Refusal(
    'UNAVAILABLE',
    'CALLER_LEFT',
    'The bot did not wait for its session, so none was begun. Create a session, and wait for the answer.',
  );

export const unknownInstance = (instance: string): Error =>
  invalid(
    'UNKNOWN_INSTANCE',
    `There is no instance ${JSON.stringify(instance)} on this farm. Use one that its configuration declares under "lines".`,
  );

type Begun = {
  readonly name: string;
  readonly declared: Declared;
  readonly quarantineReason: string | null;
  readonly ledger: Ledger;
  readonly held: Awaited<ReturnType<typeof readHeldLeases>>;
  /** Leases it runs that are not its own any more. */
  readonly strays: number;
};

type Resolved = NewBotSession & { readonly deviceIds: readonly number[] };

const begin = async (home: Home, db: Queryable, request: Resolved): Promise<Begun> => {
  const { instance, botId, self, deviceIds } = request;
  const bot = await lockBot(db, request);
  const older = await lockLiveSessions(db, request);
  const name = `${instance}/${home.newId()}`;
  const { status, version, capacity, properties } = self;
  const declared = { status, version, capacity, properties, deviceIds };
  const session = { ...declared, name, instance, botId, peer: request.peer, homeReplica: home.replica };
  const ledger = await replace(home, db, { older, request, name, now: bot.now });
  // The older session gives way before the new one is there: a bot has at most one live session.
  const adopted = [...ledger.leases.values()].filter((lease) => lease.sessionName === name).length;
  await insertSession(db, { ...session, adopted, ttlMs: home.limits.session.ttlMs });
  await writeLedger(db, ledger);
  const held = await readHeldLeases(db, [name]);
  const strays = straysOf(request, held);
  if (takesWork(status)) await settleDuts(home, db, ledger, { name, deviceIds, strays });
  const quarantineReason = await watch(home, db, ledger, { request, bot });
  return { name, declared, quarantineReason, ledger, held, strays: strays.length };
};

/** Ends the older sessions; leases that the bot says it holds are adopted, the rest is settled. */
const replace = async (
  home: Home,
  db: Queryable,
  given: {
    readonly older: readonly SessionRow[];
    readonly request: NewBotSession;
    readonly name: string;
    readonly now: Date;
  },
): Promise<Ledger> => {
  const { older, request, name, now } = given;
  const sessionNames = older.map((session) => session.name);
  const jobs = older.length === 0 ? [] : await lockJobs(db, { jobIds: [], sessionNames });
  const leases = older.length === 0 ? [] : await lockOpenLeases(db, { sessionNames, jobIds: [] });
  const standing = await readStanding(db, leases);
  const outageEnd = leases.length === 0 ? null : await readOutageEnd(db, home.limits);
  const ledger = openLedger(now, { jobs, leases, standing, outageEnd });
  await closeSessions(
    db,
    older.map((session) => ({ name: session.name, reason: 'replaced by a newer session of this bot' })),
  );
  note(ledger, older, request);
  const shown = new Set(request.leases.map((lease) => lease.id));
  for (const lease of leases) if (shown.has(lease.id)) adopt(ledger, lease, name);
  const remembered = new Map(
    leases.filter((lease) => shown.has(lease.id)).map((lease) => [lease.id, rememberedOf(lease)] as const),
  );
  const { steps, echoes } = readReport(request, remembered);
  // The usual way of a late completion: its bot was lost for long, and comes back with a new session.
  const completions = steps.flatMap(({ leaseId, completion }) =>
    completion === null ? [] : [{ instance: request.instance, botId: request.botId, leaseId, completion }],
  );
  await keepLate(home, db, ledger, completions);
  for (const step of steps) {
    const lease = ledger.leases.get(step.leaseId);
    if (lease !== undefined) settleLease(home, ledger, lease, { ...step, why: step.completion?.message ?? '' });
  }
  for (const id of echoes) {
    const lease = ledger.leases.get(id);
    if (lease === undefined) continue;
    lease.echoedAt ??= now;
    lease.absentAt = null;
  }
  for (const lease of leases) {
    if (shown.has(lease.id)) continue;
    settleLease(home, ledger, lease, {
      event: 'SESSION_ENDED',
      why: 'the bot came back with a new session and without the lease',
      completion: null,
    });
  }
  return ledger;
};

const adopt = (ledger: Ledger, lease: LeaseRow, name: string): void => {
  lease.sessionName = name;
  ledger.changedLeases.add(lease);
};

const rememberedOf = (lease: LeaseRow): Remembered => {
  if (!isOpen(lease.state)) throw new Error(`lease ${lease.id} was locked as open but is ${lease.state}`);
  return { id: lease.id, state: lease.state, echoed: lease.echoedAt !== null, absent: lease.absentAt !== null };
};

const note = (ledger: Ledger, older: readonly SessionRow[], request: NewBotSession): void => {
  const { instance, botId, peer } = request;
  for (const { name } of older) {
    // Its poll may be parked at another home.
    ledger.wakes.push({ kind: 'session', name });
    ledger.events.push(farmEvent('SESSION_CLOSED', instance, { botId, facts: { reason: 'replaced' } }));
  }
  const facts = { status: statusName(request.self.status), peer, replaced: older.length > 0 };
  ledger.events.push(farmEvent('SESSION_CREATED', instance, { botId, facts }));
};

/** What it shows as running and what ended behind its back: the reply leaves it out, and until it has heard that it runs it. */
const straysOf = ({ leases }: NewBotSession, held: Begun['held']): string[] =>
  leases.flatMap(({ id, state }) =>
    state === 'COMPLETED' || state === 'CANCELLED' || held.some((lease) => lease.id === id) ? [] : [id],
  );

/** The bot is back, OK: the DUTs it declares and does not hold a lease of, or run one, have settled (invariant 8). */
const settleDuts = async (
  home: Home,
  db: Queryable,
  ledger: Ledger,
  session: { readonly name: string; readonly deviceIds: readonly number[]; readonly strays: readonly string[] },
): Promise<void> => {
  const { name, strays } = session;
  const running = (await readLeases(db, strays)).map((lease) => lease.deviceId);
  const deviceIds = session.deviceIds.filter((id) => !running.includes(id));
  for (const id of await endSettling(db, [{ name, deviceIds }], home.limits.jobs.dutGraceMs))
    ledger.wakes.push({ kind: 'device', id });
};

/** Returns why the bot is quarantined, if it is, by now or by this very registration. */
const watch = async (
  home: Home,
  db: Queryable,
  ledger: Ledger,
  given: { readonly request: NewBotSession; readonly bot: Awaited<ReturnType<typeof lockBot>> },
): Promise<string | null> => {
  const { request, bot } = given;
  const now = { at: bot.now.toISOString(), peer: request.peer };
  const { registrations, alarm } = watchTakeovers(bot.takeovers, now, home.limits.session);
  await writeTakeovers(db, request, registrations);
  if (alarm === null || bot.quarantineReason !== null) return bot.quarantineReason;
  await quarantineBot(db, request, alarm);
  const { instance, botId } = request;
  ledger.events.push(farmEvent('BOT_QUARANTINED', instance, { botId, facts: { reason: alarm } }));
  await appendEvents(db, ledger.events.slice(-1));
  home.log.warn({ instance, botId, peer: request.peer }, alarm);
  return alarm;
};

/** The memory follows: the older session is gone from here, the new one is at home. */
const settleIn = (home: Home, request: NewBotSession, begun: Begun & { readonly startedMs: number }): Session => {
  const older = home.sessions.byBot.get(botKey(request.instance, request.botId));
  if (older !== undefined) dropSession(home.sessions, older, 'replaced');
  const { name, declared, quarantineReason, held } = begun;
  const { instance, botId } = request;
  const session = newSession(
    { ...declared, name, instance, botId, attachEpoch: 1, quarantineReason, erring: true },
    begun.startedMs,
  );
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
