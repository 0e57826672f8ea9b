/** Makes a bot's first token. Its text leaves the farm once, in the answer. */
import { newBotToken, TOKEN_LIFETIME_MAX_MS, TOKEN_LIFETIME_MS } from '../core/bot-token.ts';
import { invalid, Refusal } from '../core/refusal.ts';
import { checkName } from '../core/text.ts';
import { insertBotToken, lockBotTokens, readValidTokens } from '../store/bot-tokens.ts';
import type { Queryable } from '../store/transaction.ts';
import { type BotTokenView, toTokenView } from './bot-token-view.ts';
import { type Farm, transact } from './farm.ts';
import { lineFor } from './instance.ts';

export type BotTokenAsked = {
  readonly instance: string;
  readonly botId: string;
  /** Null: 90 days. */
  readonly expiresInMs: number | null;
};

export type BotTokenMade = { readonly token: BotTokenView; readonly secretText: string };

/** The bot need not have come yet. @throws Refusal INVALID; ALREADY_EXISTS when it has one that holds. */
export const createBotToken = async (farm: Farm, asked: BotTokenAsked, by: string): Promise<BotTokenMade> => {
  const expiresInMs = checkedBotToken(farm, asked);
  const made = await transact(farm, async (db) => {
    await lockBotTokens(db, asked.instance, asked.botId);
    if ((await readValidTokens(db, asked.instance, asked.botId)).length > 0) throw hasOne(asked);
    return makeToken(farm, db, { ...asked, expiresInMs, by });
  });
  farm.wake([{ kind: 'tokens' }]);
  return made;
};

/** The lifetime, once the rest holds too. @throws Refusal INVALID. */
export const checkedBotToken = (farm: Farm, { instance, botId, expiresInMs }: BotTokenAsked): number => {
  lineFor(farm, instance);
  checkName('The bot', botId, farm.limits.text.nameBytesMax);
  const lifetimeMs = expiresInMs ?? TOKEN_LIFETIME_MS;
  if (lifetimeMs > 0 && lifetimeMs <= TOKEN_LIFETIME_MAX_MS) return lifetimeMs;
  throw invalid(
    'DURATION_OUT_OF_RANGE',
    `The token would expire in ${lifetimeMs / 1000} s; that must be above 0 and at most 366 days. Leave it out for 90 days.`,
  );
};

/** Inside the caller's transaction, which holds the lock of the bot's tokens. */
export const makeToken = async (
  farm: Farm,
  db: Queryable,
  asked: { readonly instance: string; readonly botId: string; readonly expiresInMs: number; readonly by: string },
): Promise<BotTokenMade> => {
  const { instance, botId, expiresInMs, by } = asked;
  const { id, text, secretSha256 } = newBotToken(farm.newId);
  const row = await insertBotToken(db, { id, instance, botId, secretSha256, createdBy: by, expiresInMs });
  return { token: toTokenView(row), secretText: text };
};

const hasOne = ({ instance, botId }: BotTokenAsked): Refusal =>
  new Refusal(
    'ALREADY_EXISTS',
    'BOT_HAS_TOKEN',
    `Bot ${JSON.stringify(botId)} of instance ${JSON.stringify(instance)} has a token that holds. Rotate it: the new one and the old hold together for a while. Or revoke it first.`,
  );
