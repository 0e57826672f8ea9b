/** What a bot wants known (bots.proto PostBotEventTemp): recorded, counted, and so many errors in a row quarantine it. */
import { farmEvent } from '../core/farm-event.ts';
import { hasShopfloor } from '../core/line.ts';
import type { BotIdentity } from '../core/principal.ts';
import { invalid } from '../core/refusal.ts';
import { callOfEvent } from '../core/shopfloor-call.ts';
import { quarantineBot, readSessions, recordBotEvent, type SessionRow, trimBotEvents } from '../store/bot-sessions.ts';
import { type HeldRow, readHeldLeases } from '../store/leases.ts';
import type { Queryable } from '../store/transaction.ts';
import { transact } from './farm.ts';
import { closedSession, isOf, unknownSession } from './session-refusals.ts';
import type { Home } from './home.ts';
import { announce, type Ledger, openLedger, writeLedger } from './ledger.ts';

/** PostBotEventTempRequest.Type. */
const INFO = 1;
const ERROR = 2;
const typeNames: readonly string[] = ['UNSPECIFIED', 'INFO', 'ERROR'];

export type BotEvent = {
  readonly session: string;
  /** Whose the session must be; null: anybody's. */
  readonly caller: BotIdentity | null;
  readonly type: number;
  readonly message: string;
};

/** @throws Refusal SESSION_UNKNOWN, SESSION_CLOSED, INVALID when the message is too long. */
export const postBotEvent = async (home: Home, event: BotEvent): Promise<void> => {
  const { reasonBytesMax } = home.limits.text;
  if (Buffer.byteLength(event.message) > reasonBytesMax) {
    throw invalid(
      'EVENT_TOO_LONG',
      `The event's msg has more than ${String(reasonBytesMax)} bytes. Shorten it; put long logs into a test result.`,
    );
  }
  const ledger = await transact(home, (db) => record(home, db, event));
  announce(ledger, home);
};

/** Whoever is the session's home: an event moves no session, and is judged by what the database knows. */
const record = async (home: Home, db: Queryable, event: BotEvent): Promise<Ledger> => {
  const [session] = await readSessions(db, [event.session]);
  if (session === undefined || !isOf(session, event.caller)) throw unknownSession(event.session);
  if (session.state === 'CLOSED') throw closedSession(session);
  const { name, instance, botId } = session;
  const ledger = openLedger(home.clock.now());
  const counts = event.type === ERROR ? 'error' : event.type === INFO ? 'clears' : 'neither';
  const { type, message } = event;
  const errors = await recordBotEvent(db, { instance, botId, sessionName: name, type, message, counts });
  await trimBotEvents(db, session, home.limits.bots.eventsKeptMax);
  const facts = { type: typeNames[type] ?? String(type) };
  ledger.events.push(farmEvent('BOT_EVENT', instance, { botId, facts }));
  if (type === INFO) oweEvent(home, ledger, session, { message, held: await readHeldLeases(db, [name]) });
  // Its home must know that errors stand against the bot, and that it may be quarantined.
  if (counts === 'error') ledger.wakes.push({ kind: 'session', name });
  if (counts === 'error' && errors >= home.limits.bots.errorsMax) {
    const reason = `${String(errors)} ERROR events in a row; the last: ${message}`;
    const isNew = await quarantineBot(db, session, reason);
    if (isNew) ledger.events.push(farmEvent('BOT_QUARANTINED', instance, { botId, facts: { reason } }));
  }
  await writeLedger(db, ledger);
  return ledger;
};

/** An INFO event may mean something to the shopfloor: it joins the lane of the DUT that the bot has. */
const oweEvent = (
  home: Home,
  ledger: Ledger,
  session: SessionRow,
  said: { readonly message: string; readonly held: readonly HeldRow[] },
): void => {
  const { instance } = session;
  const line = home.lineOf(instance);
  const shopfloorEvent = line?.events.get(said.message);
  const lease = said.held.find((held) => held.deviceId !== null && held.state === 'ACTIVE');
  const deviceId = lease?.deviceId ?? session.deviceIds[0] ?? null;
  if (!hasShopfloor(line) || shopfloorEvent === undefined || deviceId === null) return;
  ledger.calls.push({
    ...callOfEvent(lease?.station ?? '', shopfloorEvent),
    id: home.newId(),
    instance,
    deviceId,
    jobId: lease?.jobId ?? null,
    leaseId: null,
    attempt: lease?.attempt ?? 0,
  });
};
