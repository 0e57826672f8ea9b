/** Gives one bot no work until it is released; what it holds it may finish. */
import { type FarmEvent, farmEvent } from '../core/farm-event.ts';
import { quarantineBot as quarantineRow } from '../store/bot-sessions.ts';
import { readBot, readLiveNames } from '../store/bot-views.ts';
import { appendEvents } from '../store/farm-events.ts';
import type { Queryable } from '../store/transaction.ts';
import type { BotView } from './bot-view.ts';
import { type Farm, transact, type Wake } from './farm.ts';
import { type BotName, noSuchBot, readBotView } from './get-bot.ts';
import { lineFor } from './instance.ts';
import { checkedReason } from './operators-reason.ts';

/** What is told once the transaction has committed. */
export type Aftermath = { readonly events: readonly FarmEvent[]; readonly wakes: readonly Wake[] };

export const NOTHING_CHANGED: Aftermath = { events: [], wakes: [] };

/**
 * Quarantines inside the caller's transaction; the caller tells the aftermath after its commit. A bot that is
 * quarantined keeps its first reason, and nothing changes.
 */
export const quarantine = async (db: Queryable, bot: BotName, reason: string): Promise<Aftermath> => {
  if (!(await quarantineRow(db, bot, reason))) return NOTHING_CHANGED;
  return record(db, bot, farmEvent('BOT_QUARANTINED', bot.instance, { botId: bot.botId, facts: { reason } }));
};

/** Writes the event and finds who must hear of it: the home of the bot's live session. */
export const record = async (db: Queryable, bot: BotName, event: FarmEvent): Promise<Aftermath> => {
  await appendEvents(db, [event]);
  const names = await readLiveNames(db, [bot]);
  return { events: [event], wakes: names.map((name) => ({ kind: 'session', name })) };
};

export const tell = (farm: Farm, { events, wakes }: Aftermath): void => {
  if (events.length > 0) farm.witness.committed(events);
  if (wakes.length > 0) farm.wake(wakes);
};

/** Repeating it is harmless. @throws Refusal NOT_FOUND; INVALID without a reason. */
export const quarantineBot = async (farm: Farm, bot: BotName & { readonly reason: string }): Promise<BotView> => {
  lineFor(farm, bot.instance);
  const reason = checkedReason(farm.limits, bot.reason, { required: true });
  const aftermath = await transact(farm, async (db) => {
    if ((await readBot(db, bot.instance, bot.botId)) === null) throw noSuchBot(bot);
    return quarantine(db, bot, reason);
  });
  tell(farm, aftermath);
  return readBotView(farm.pool, bot);
};
