/**
 * Bots begin new lives: of many in one commit, since a farm that comes back has them all at its door. Each one's older
 * session ends in the same transaction (invariant 3).
 */
import { statusName } from '../core/bot-session.ts';
import { farmEvent } from '../core/farm-event.ts';
import { isOpen } from '../core/lease.ts';
import { Refusal } from '../core/refusal.ts';
import { type Reading, readReport, type Remembered, type SessionReport } from '../core/session-report.ts';
import { watchTakeovers } from '../core/takeover.ts';
import {
  closeSessions,
  insertSessions,
  lockIdentities,
  type LockedBot,
  lockLiveSessions,
  type NewSession,
  quarantineBot,
  type SessionRow,
  writeTakeovers,
} from '../store/bot-sessions.ts';
import { readSettling } from '../store/devices.ts';
import { lockJobs } from '../store/jobs.ts';
import { type HeldRow, type LeaseRow, lockOpenLeases, readHeldLeases } from '../store/leases.ts';
import { readOutageEnd } from '../store/sweeps.ts';
import { readResults } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import { type Farm, type FarmSeams, transact } from './farm.ts';
import { type Completed, keepLate } from './keep-late.ts';
import { announce, type Ledger, openLedger, writeLedger, writeRows } from './ledger.ts';
import { distinct, resolveEach } from './resolve-devices.ts';
import { botKey } from './sessions.ts';
import { settleLease } from './settle-lease.ts';

export type NewBotSession = Omit<SessionReport, 'name'> & {
  readonly instance: string;
  /** Where the call came from; only for the takeover watch and for people. */
  readonly peer: string;
};

/** One bot's call. */
export type Beginning = {
  readonly request: NewBotSession;
  /** Aborts when the caller no longer waits: what is not committed by then is not begun. */
  readonly signal: AbortSignal;
};

export type Begun = {
  readonly session: NewSession;
  readonly quarantineReason: string | null;
  readonly held: readonly HeldRow[];
  /** Leases it runs that are not its own any more. */
  readonly strays: number;
  /** One of its DUTs settles. */
  readonly unsettled: boolean;
  /** Monotonic ms before the database heard of it. */
  readonly startedMs: number;
};

/** In the order given. One bot's several calls begin one session after another. */
export const beginSessions = async (farm: Farm, beginnings: readonly Beginning[]): Promise<(Begun | Refusal)[]> => {
  const begun = new Map<Beginning, Begun | Refusal>();
  for (let left = beginnings; left.length > 0; left = left.filter((each) => !begun.has(each))) {
    const byBot = new Map(left.toReversed().map((each) => [botKey(each.request.instance, each.request.botId), each]));
    for (const [each, end] of await beginEach(farm, [...byBot.values()].toReversed())) begun.set(each, end);
  }
  return beginnings.map((each) => begun.get(each) ?? callerLeft());
};

/** A caller has left while the others' sessions were being written with his. */
class CallerLeft extends Error {}

const beginEach = async (
  farm: Farm,
  beginnings: readonly Beginning[],
): Promise<readonly (readonly [Beginning, Begun | Refusal])[]> => {
  const startedMs = farm.clock.monotonicMs();
  const staying = beginnings.filter(({ signal }) => !signal.aborted);
  const left = beginnings.filter(({ signal }) => signal.aborted).map((each) => [each, callerLeft()] as const);
  if (staying.length === 0) return left;
  const requests = staying.map(({ request }) => request);
  // A transaction of its own: registering DUTs locks them, and DUTs come after leases in the lock order.
  const deviceIds = await transact(farm, (db) => resolveAll(db, requests));
  try {
    const done = await transact(farm, async (db) => {
      const written = await begin(
        farm,
        db,
        requests.map((request, index) => ({ ...request, deviceIds: deviceIds[index] ?? [] })),
      );
      // Its bot has given a call up, and may have begun another session since, with work in it: this one would end that.
      if (staying.some(({ signal }) => signal.aborted)) throw new CallerLeft('a caller did not wait');
      return written;
    });
    announce(done.ledger, farm);
    const begun = staying.flatMap((each, index) => {
      const one = done.begun[index];
      return one === undefined ? [] : [[each, { ...one, startedMs }] as const];
    });
    return [...left, ...begun];
  } catch (error) {
    if (!(error instanceof CallerLeft)) throw error;
    return [...left, ...(await beginEach(farm, staying))];
  }
};

const callerLeft = (): Refusal =>
  new Refusal(
    'UNAVAILABLE',
    'CALLER_LEFT',
    'The bot did not wait for its session, so none was begun. Create a session, and wait for the answer.',
  );

/** The DUTs of each request. */
const resolveAll = async (db: Queryable, requests: readonly NewBotSession[]): Promise<number[][]> => {
  const ids: number[][] = requests.map(() => []);
  const instances = [...new Set(requests.map(({ instance }) => instance))].sort();
  for (const instance of instances) {
    const own = requests.flatMap((request, index) => (request.instance === instance ? [{ request, index }] : []));
    const resolved = await resolveEach(
      db,
      instance,
      own.flatMap(({ request }) => request.self.duts),
    );
    let from = 0;
    for (const { request, index } of own) {
      const to = from + request.self.duts.length;
      ids[index] = distinct(resolved.slice(from, to));
      from = to;
    }
  }
  return ids;
};

type Resolved = NewBotSession & { readonly deviceIds: readonly number[] };

/** One bot's part of the transaction. */
type Life = {
  readonly request: Resolved;
  readonly bot: LockedBot;
  readonly name: string;
  readonly older: readonly SessionRow[];
  /** Of its older sessions, that it says it holds. */
  readonly reading: Reading;
  readonly leases: readonly LeaseRow[];
};

const begin = async (
  farm: FarmSeams,
  db: Queryable,
  requests: readonly Resolved[],
): Promise<{ readonly ledger: Ledger; readonly begun: readonly Omit<Begun, 'startedMs'>[] }> => {
  const { ledger, lives } = await load(farm, db, requests);
  await keepLate(farm, db, ledger, lives.flatMap(completionsOf));
  for (const life of lives) replace(farm, ledger, life);
  const sessions = lives.map((life) => newSessionOf(ledger, life));
  const strays = lives.map((life) => countStrays(ledger, life));
  const home = { replica: farm.replica, ttlMs: farm.limits.session.ttlMs };
  await Promise.all([
    // The older session gives way before the new one is there: a bot has at most one live session.
    closeSessions(
      db,
      lives.flatMap(({ older }) => older.map(({ name }) => ({ name, reason: REPLACED }))),
    ),
    insertSessions(db, sessions, home),
    writeRows(db, ledger),
  ]);
  const watches = lives.map((life) => watch(farm, ledger, life));
  const [settling] = await Promise.all([
    readSettling(
      db,
      sessions.flatMap(({ deviceIds }) => deviceIds),
    ),
    writeTakeovers(
      db,
      watches.map(({ bot, takeovers }) => ({ ...bot, takeovers })),
    ),
    ...watches.flatMap(({ bot, alarm }) => (alarm === null ? [] : [quarantineBot(db, bot, alarm)])),
  ]);
  const names = lives.map(({ name }) => name);
  const [, held] = await Promise.all([writeLedger(db, ledger), readHeldLeases(db, names)]);
  const bySession = Map.groupBy(held, ({ sessionName }) => sessionName);
  const begun = sessions.map((session, index) => ({
    session,
    quarantineReason: watches[index]?.alarm ?? watches[index]?.bot.quarantineReason ?? null,
    held: bySession.get(session.name) ?? [],
    strays: strays[index] ?? 0,
    unsettled: session.deviceIds.some((id) => settling.has(id)),
  }));
  return { ledger, begun };
};

const REPLACED = 'replaced by a newer session of this bot';

/** Locks the bots, their older sessions, and what those hold. */
const load = async (
  farm: FarmSeams,
  db: Queryable,
  requests: readonly Resolved[],
): Promise<{ readonly ledger: Ledger; readonly lives: readonly Life[] }> => {
  const [identities, older] = await Promise.all([lockIdentities(db, requests), lockLiveSessions(db, requests)]);
  const sessionNames = older.map(({ name }) => name);
  const none = older.length === 0;
  const jobs = none ? [] : await lockJobs(db, { jobIds: [], sessionNames });
  const [leases, outageEnd] = await Promise.all([
    none ? [] : lockOpenLeases(db, { sessionNames, jobIds: [] }),
    none ? null : readOutageEnd(db, farm.limits),
  ]);
  const told = requests.flatMap(({ leases: shown }) =>
    shown.flatMap((lease) => (lease.state === 'COMPLETED' ? lease.completion.results.map(({ testId }) => testId) : [])),
  );
  const results = await readResults(db, leases, told);
  const bots = new Map(identities.map((bot) => [botKey(bot.instance, bot.botId), bot]));
  const lives = requests.map((request): Life => {
    const bot = bots.get(botKey(request.instance, request.botId));
    if (bot === undefined) throw new Error(`bot ${request.botId} was not locked`);
    const own = older.filter(({ instance, botId }) => instance === request.instance && botId === request.botId);
    const held = leases.filter((lease) => own.some(({ name }) => name === lease.sessionName));
    const shown = new Set(request.leases.map((lease) => lease.id));
    const remembered = held
      .filter((lease) => shown.has(lease.id))
      .map((lease) => [lease.id, rememberedOf(lease)] as const);
    const reading = readReport(request, new Map(remembered));
    return { request, bot, name: `${request.instance}/${farm.newId()}`, older: own, reading, leases: held };
  });
  const now = identities[0]?.now;
  if (now === undefined) throw new Error('no bot was locked');
  return { ledger: openLedger(now, { jobs, leases, results, outageEnd }), lives };
};

/** The usual way of a late completion: its bot was lost for long, and comes back with a new session. */
const completionsOf = ({ request: { instance, botId }, reading }: Life): readonly Completed[] =>
  reading.steps.flatMap(({ leaseId, completion }) =>
    completion === null ? [] : [{ instance, botId, leaseId, completion }],
  );

/** Ends the older sessions; leases that the bot says it holds are adopted, the rest is settled. */
const replace = (farm: FarmSeams, ledger: Ledger, { request, name, older, reading, leases }: Life): void => {
  note(ledger, older, request);
  const shown = new Set(request.leases.map((lease) => lease.id));
  for (const lease of leases) if (shown.has(lease.id)) adopt(ledger, lease, name);
  for (const step of reading.steps) {
    const lease = ledger.leases.get(step.leaseId);
    // What is another bot's is as good as unknown.
    if (lease?.sessionName === name) settleLease(farm, ledger, lease, { ...step, why: step.completion?.message ?? '' });
  }
  for (const id of reading.echoes) {
    const lease = ledger.leases.get(id);
    if (lease?.sessionName !== name) continue;
    lease.echoedAt ??= ledger.now;
    lease.absentAt = null;
  }
  for (const lease of leases) {
    if (shown.has(lease.id)) continue;
    settleLease(farm, ledger, lease, {
      event: 'SESSION_ENDED',
      why: 'the bot came back with a new session and without the lease',
      completion: null,
    });
  }
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

const newSessionOf = (ledger: Ledger, { request, name, leases }: Life): NewSession => {
  const { instance, botId, peer, deviceIds } = request;
  const { status, version, capacity, properties } = request.self;
  const adopted = leases.filter((lease) => lease.sessionName === name).length;
  return { name, instance, botId, peer, status, version, capacity, properties, deviceIds, adopted };
};

/** What it shows as running and what ended behind its back: the reply leaves it out, and until it has heard that it runs it. */
const countStrays = (ledger: Ledger, { request, name }: Life): number => {
  const isHeld = (id: string): boolean => {
    const lease = ledger.leases.get(id);
    return lease?.sessionName === name && lease.closedAt === null;
  };
  return request.leases.filter(({ id, state }) => state !== 'COMPLETED' && state !== 'CANCELLED' && !isHeld(id)).length;
};

/** Whether two machines take turns: what is to be remembered, and why the bot is quarantined by this very registration. */
const watch = (farm: FarmSeams, ledger: Ledger, { request, bot }: Life) => {
  const now = { at: bot.now.toISOString(), peer: request.peer };
  const { registrations: takeovers, alarm } = watchTakeovers(bot.takeovers, now, farm.limits.session);
  if (alarm === null || bot.quarantineReason !== null) return { bot, takeovers, alarm: null };
  const { instance, botId } = request;
  ledger.events.push(farmEvent('BOT_QUARANTINED', instance, { botId, facts: { reason: alarm } }));
  farm.log.warn({ instance, botId, peer: request.peer }, alarm);
  return { bot, takeovers, alarm };
};
