/** Reads one bot, with what it posted lately. */
import { Refusal } from '../core/refusal.ts';
import { readBot, readBotEvents } from '../store/bot-views.ts';
import type { Queryable } from '../store/transaction.ts';
import { type BotView, toBotViews } from './bot-view.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';

export type BotName = { readonly instance: string; readonly botId: string };

/** Events that are shown with a bot. */
const EVENTS_SHOWN_MAX = 20;

/** @throws Refusal NOT_FOUND; INVALID for an unknown instance. */
export const getBot = async (farm: Farm, bot: BotName): Promise<BotView> => {
  lineFor(farm, bot.instance);
  return readBotView(farm.pool, bot);
};

/** As it is in the view of `db`. @throws Refusal NOT_FOUND. */
export const readBotView = async (db: Queryable, bot: BotName): Promise<BotView> => {
  const row = await readBot(db, bot.instance, bot.botId);
  if (row === null) throw noSuchBot(bot);
  const [view] = await toBotViews(db, bot.instance, [row]);
  if (view === undefined) throw noSuchBot(bot);
  return { ...view, events: await readBotEvents(db, bot, EVENTS_SHOWN_MAX) };
};

export const noSuchBot = ({ instance, botId }: BotName): Refusal =>
  new Refusal(
    'NOT_FOUND',
    'NO_SUCH_BOT',
    `No bot ${JSON.stringify(botId)} has ever come to instance ${JSON.stringify(instance)}. See the list of bots.`,
  );
