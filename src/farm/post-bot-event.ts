/** What a bot wants known (bots.proto PostBotEventTemp): recorded, counted, and so many errors in a row quarantine it. */
import { farmEvent } from '../core/farm-event.ts';
import { hasShopfloor } from '../core/line.ts';
import { invalid } from '../core/refusal.ts';
import { callOfEvent } from '../core/shopfloor-call.ts';
import { quarantineBot, recordBotEvent, trimBotEvents } from '../store/bot-sessions.ts';
import { transact } from './farm.ts';
import { findSessionByName } from './find-session.ts';
import type { Home } from './home.ts';
import { announce, type Ledger, openLedger, writeLedger } from './ledger.ts';
import type { Session } from './sessions.ts';

/** PostBotEventTempRequest.Type. */
const INFO = 1;
const ERROR = 2;
const typeNames: readonly string[] = ['UNSPECIFIED', 'INFO', 'ERROR'];

export type BotEvent = { readonly session: string; readonly type: number; readonly message: string };

/** @throws Refusal SESSION_UNKNOWN, SESSION_CLOSED, INVALID when the message is too long. */
export const postBotEvent = async (home: Home, event: BotEvent): Promise<void> => {
  const { reasonBytesMax } = home.limits.text;
  if (Buffer.byteLength(event.message) > reasonBytesMax) {
    throw invalid(
      'EVENT_TOO_LONG',
      `The event's msg has more than ${String(reasonBytesMax)} bytes. Shorten it; put long logs into a test result.`,
    );
  }
  const session = await findSessionByName(home, event.session);
  const { instance, botId } = session;
  const counts = event.type === ERROR ? 'error' : event.type === INFO ? 'clears' : 'neither';
  const done = await transact(home, async (db) => {
    const ledger = openLedger(home.clock.now());
    const errors = await recordBotEvent(db, {
      instance,
      botId,
      sessionName: session.name,
      type: event.type,
      message: event.message,
      counts,
    });
    await trimBotEvents(db, session, home.limits.bots.eventsKeptMax);
    const type = typeNames[event.type] ?? String(event.type);
    ledger.events.push(farmEvent('BOT_EVENT', instance, { botId, facts: { type } }));
    oweEvent(home, ledger, session, event);
    const reason = `${String(errors)} ERROR events in a row; the last: ${event.message}`;
    const quarantined =
      counts === 'error' && errors >= home.limits.bots.errorsMax && (await quarantineBot(db, session, reason));
    if (quarantined) ledger.events.push(farmEvent('BOT_QUARANTINED', instance, { botId, facts: { reason } }));
    await writeLedger(db, ledger);
    return { ledger, errors, reason: quarantined ? reason : null };
  });
  session.erring = done.errors > 0;
  session.quarantineReason ??= done.reason;
  announce(done.ledger, home);
};

/** An INFO event may mean something to the shopfloor: it joins the lane of the DUT that the bot has. */
const oweEvent = (home: Home, ledger: Ledger, session: Session, event: BotEvent): void => {
  const line = home.lineOf(session.instance);
  const shopfloorEvent = event.type === INFO ? line?.events.get(event.message) : undefined;
  const lease = [...session.leases.values()].find((held) => held.deviceId !== null && held.state === 'ACTIVE');
  const deviceId = lease?.deviceId ?? session.declared.deviceIds[0] ?? null;
  if (!hasShopfloor(line) || shopfloorEvent === undefined || deviceId === null) return;
  ledger.calls.push({
    ...callOfEvent(lease?.station ?? '', shopfloorEvent),
    id: home.newId(),
    instance: session.instance,
    deviceId,
    jobId: lease?.jobId ?? null,
    leaseId: null,
    attempt: lease?.attempt ?? 0,
  });
};
