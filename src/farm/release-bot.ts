/** Ends a quarantine, on a human's word; the errors that led to it are forgotten. */
import { farmEvent } from '../core/farm-event.ts';
import { readBot, releaseBotRow } from '../store/bot-views.ts';
import type { BotView } from './bot-view.ts';
import { type Farm, transact } from './farm.ts';
import { type BotName, noSuchBot, readBotView } from './get-bot.ts';
import { lineFor } from './instance.ts';
import { checkedReason } from './operators-reason.ts';
import { NOTHING_CHANGED, record, tell } from './quarantine-bot.ts';

/** Releasing a bot that is not quarantined changes nothing. @throws Refusal NOT_FOUND, INVALID. */
export const releaseBot = async (farm: Farm, bot: BotName & { readonly reason: string }): Promise<BotView> => {
  lineFor(farm, bot.instance);
  const reason = checkedReason(farm.limits, bot.reason, { required: false });
  const aftermath = await transact(farm, async (db) => {
    if ((await readBot(db, bot.instance, bot.botId)) === null) throw noSuchBot(bot);
    const was = await releaseBotRow(db, bot);
    if (was === null) return NOTHING_CHANGED;
    return record(db, bot, farmEvent('BOT_RELEASED', bot.instance, { botId: bot.botId, facts: { reason, was } }));
  });
  tell(farm, aftermath);
  return readBotView(farm.pool, bot);
};
