/**
 * The sessions whose home is this replica, in memory: what makes a poll cost no SQL. Everything here is a copy; the
 * database decides, by the attach epoch that every write names.
 */
import { takesWork } from '../core/bot-session.ts';
import { canonicalProperties, type Properties, propertiesText } from '../core/match.ts';
import type { Declared, SessionRow } from '../store/bot-sessions.ts';
import type { HeldRow } from '../store/leases.ts';

/** A lease as its session's home remembers it between two polls. */
export type HeldLease = Omit<HeldRow, 'sessionName' | 'echoedAt' | 'absentAt'> & {
  /** The bot has shown that it has seen it. */
  readonly echoed: boolean;
  /** The last report left it out. */
  readonly absent: boolean;
};

/** Why a parked poll is answered. */
export type WakeCause = 'work' | 'changed' | 'newer call' | 'replaced' | 'shutdown' | 'time' | 'client gone';

export type ParkedPoll = {
  readonly end: (cause: WakeCause) => void;
};

export type Session = {
  readonly name: string;
  readonly instance: string;
  readonly botId: string;
  attachEpoch: number;
  declared: Declared;
  properties: Properties;
  /** Sessions of equal properties in one instance are one class: matching is decided once for all of them. */
  classKey: string;
  leases: ReadonlyMap<string, HeldLease>;
  /** Null: not quarantined. */
  quarantineReason: string | null;
  /** ERROR events stand against it; a completed lease clears them. */
  erring: boolean;
  /** Monotonic ms of the last call, and of the newest one that the database is known to have heard of. */
  seenMs: number;
  writtenMs: number;
  /** Gets no new lease before this monotonic ms: it ignored one, or its DUT is not ready. */
  barredUntilMs: number;
  barredWhy: string | null;
  /** Leases that ended behind its back and of which it was told once (CANCELLED, then omitted). */
  told: ReadonlySet<string>;
  parked: ParkedPoll | null;
  /** The last call in line: calls of one session are processed one at a time. */
  turn: Promise<void>;
  /** Calls in line, the one in hand included. 0: the turn is free. */
  inLine: number;
  /** Since it began, or came here, one of its DUTs may settle yet; that it does not run the lost lease there is for its reports to say. */
  unsettled: boolean;
  /** Monotonic ms of the last reply, for the pace of bots that are answered at once. */
  repliedMs: number;
  /** The serials it declared, as text: what decides whether its DUTs must be looked up again. Null: not looked up here. */
  dutsText: string | null;
  /** Monotonic ms since when it has waited, from poll to poll, for work that it may be given; null: it has not. `free-since.ts` says when. */
  freeSinceMs: number | null;
  /** Another replica or a newer session has it; calls still in hand must look again. */
  gone: boolean;
};

export type SessionTable = {
  /** Polls parked here just now. */
  parked: number;
  readonly byName: Map<string, Session>;
  readonly byBot: Map<string, Session>;
  readonly byDevice: Map<number, Set<Session>>;
  /** Classes with at least one session here, by their key. */
  readonly classes: Map<string, SessionClass>;
};

export type SessionClass = {
  readonly key: string;
  readonly instance: string;
  readonly properties: Properties;
  /** The properties as its first session declared them. */
  readonly text: string;
  readonly sessions: Set<Session>;
};

export const newSessionTable = (): SessionTable => ({
  parked: 0,
  byName: new Map(),
  byBot: new Map(),
  byDevice: new Map(),
  classes: new Map(),
});

export const botKey = (instance: string, botId: string): string => `${instance}\u0000${botId}`;

/** From canonical text back to a map. The text is ours: canonicalising again keeps a hand-edited row harmless. */
export const toProperties = (text: string): Properties => {
  const byKey: unknown = JSON.parse(text);
  if (typeof byKey !== 'object' || byKey === null) return new Map();
  return canonicalProperties(
    Object.entries(byKey).flatMap(([key, values]: [string, unknown]) =>
      toTexts(values).map((value) => [key, value] as const),
    ),
  );
};

const toTexts = (values: unknown): readonly string[] =>
  Array.isArray(values) ? values.filter((value) => typeof value === 'string') : [];

/** What matching knows a bot by, from what it declares. */
export const classOf = (instance: string, text: string): Pick<Session, 'properties' | 'classKey'> => {
  const properties = toProperties(text);
  return { properties, classKey: `${instance}\u0000${propertiesText(properties)}` };
};

/** Of the sessions here most hold nothing and were told nothing, and an empty map of its own costs each of them more than that. */
const NO_LEASES: Session['leases'] = new Map();
const NOTHING_TOLD: Session['told'] = new Set();

export const newSession = (
  row: Pick<SessionRow, 'name' | 'instance' | 'botId' | 'attachEpoch' | 'quarantineReason'> &
    Declared & { readonly erring: boolean; readonly unsettled: boolean },
  nowMs: number,
): Session => {
  const { name, instance, botId, attachEpoch, quarantineReason, erring, unsettled } = row;
  const { status, version, capacity, properties, deviceIds } = row;
  return {
    name,
    instance,
    botId,
    attachEpoch,
    // A copy has no room to grow, which of a list that was built takes more than the list.
    declared: { status, version, capacity, properties, deviceIds: [...deviceIds] },
    ...classOf(instance, properties),
    leases: NO_LEASES,
    quarantineReason,
    erring,
    seenMs: nowMs,
    writtenMs: nowMs,
    barredUntilMs: 0,
    barredWhy: null,
    told: NOTHING_TOLD,
    parked: null,
    turn: Promise.resolve(),
    inLine: 0,
    unsettled,
    repliedMs: 0,
    dutsText: null,
    freeSinceMs: null,
    gone: false,
  };
};

export const addSession = (table: SessionTable, session: Session): void => {
  table.byName.set(session.name, session);
  table.byBot.set(botKey(session.instance, session.botId), session);
  for (const id of session.declared.deviceIds) {
    const known = table.byDevice.get(id);
    if (known === undefined) table.byDevice.set(id, new Set([session]));
    else known.add(session);
  }
  joinClass(table, session);
};

/** What is the same for all of its class is kept once: with thousands of bots that is a third of what a session would cost. */
const joinClass = (table: SessionTable, session: Session): void => {
  const { classKey: key, instance, properties, declared } = session;
  const known = table.classes.get(key);
  if (known === undefined) {
    table.classes.set(key, { key, instance, properties, text: declared.properties, sessions: new Set([session]) });
    return;
  }
  known.sessions.add(session);
  session.classKey = known.key;
  session.properties = known.properties;
  if (declared.properties === known.text) session.declared = { ...declared, properties: known.text };
};

/** Forgets the session; a parked poll is answered, and calls in hand see that it is gone. */
export const dropSession = (table: SessionTable, session: Session, cause: WakeCause): void => {
  if (session.gone) return;
  session.gone = true;
  unlist(table, session);
  session.parked?.end(cause);
};

const unlist = (table: SessionTable, session: Session): void => {
  if (table.byName.get(session.name) === session) table.byName.delete(session.name);
  const bot = botKey(session.instance, session.botId);
  if (table.byBot.get(bot) === session) table.byBot.delete(bot);
  for (const id of session.declared.deviceIds) {
    const known = table.byDevice.get(id);
    known?.delete(session);
    if (known?.size === 0) table.byDevice.delete(id);
  }
  const known = table.classes.get(session.classKey);
  known?.sessions.delete(session);
  if (known?.sessions.size === 0) table.classes.delete(session.classKey);
};

/** The bot says something new of itself, and the database has it. */
export const redeclare = (table: SessionTable, session: Session, declared: Declared): void => {
  if (session.gone) {
    session.declared = declared;
    return;
  }
  unlist(table, session);
  session.declared = declared;
  const { properties, classKey } = classOf(session.instance, declared.properties);
  session.properties = properties;
  session.classKey = classKey;
  addSession(table, session);
};

/** The database's word on what the session holds. */
export const holdLeases = (session: Session, rows: readonly HeldRow[]): void => {
  if (rows.length > 0) session.freeSinceMs = null;
  session.leases =
    rows.length === 0
      ? NO_LEASES
      : new Map(
          rows.map(({ sessionName: _name, echoedAt, absentAt, ...row }) => [
            row.id,
            { ...row, echoed: echoedAt !== null, absent: absentAt !== null },
          ]),
        );
};

/** How many more leases it may be given now, by what it says and by what stands against it. */
export const roomOf = (session: Session, nowMs: number): number =>
  takesWork(session.declared.status) && session.quarantineReason === null && nowMs >= session.barredUntilMs
    ? Math.max(0, session.declared.capacity - session.leases.size)
    : 0;

/** Calls of one session are processed one at a time (R-UPD-8); parked time excepted. */
export const inTurn = <T>(session: Session, work: () => Promise<T>): Promise<T> => {
  session.inLine += 1;
  const mine = session.turn.then(work).finally(() => {
    session.inLine -= 1;
  });
  session.turn = mine.then(
    () => undefined,
    () => undefined,
  );
  return mine;
};
