/** Gives a bot a new token while the older one still holds for a while, so that it can go over without a gap. */
import { TOKEN_LIFETIME_MAX_MS, TOKEN_OVERLAP_MS, VALID_TOKENS_MAX } from '../core/bot-token.ts';
import { invalid, Refusal } from '../core/refusal.ts';
import { lockBotTokens, readValidTokens, shortenTokens } from '../store/bot-tokens.ts';
import { type BotTokenAsked, type BotTokenMade, checkedBotToken, makeToken } from './create-bot-token.ts';
import { type Farm, transact } from './farm.ts';

export type RotationAsked = BotTokenAsked & {
  /** How long the older token still holds. 0: not at all. Null: a day. */
  readonly overlapMs: number | null;
};

/** @throws Refusal INVALID; WRONG_STATE when the bot has no token that holds, or two already. */
export const rotateBotToken = async (farm: Farm, asked: RotationAsked, by: string): Promise<BotTokenMade> => {
  const expiresInMs = checkedBotToken(farm, asked);
  const overlapMs = checkedOverlap(asked.overlapMs);
  const made = await transact(farm, async (db) => {
    await lockBotTokens(db, asked.instance, asked.botId);
    const valid = await readValidTokens(db, asked.instance, asked.botId);
    const [older] = valid;
    if (older === undefined) throw hasNone(asked);
    if (valid.length >= VALID_TOKENS_MAX) throw rotatesAlready(asked, valid.at(-1)?.id ?? '');
    await shortenTokens(db, [older.id], overlapMs);
    return makeToken(farm, db, { ...asked, expiresInMs, by });
  });
  farm.wake([{ kind: 'tokens' }]);
  return made;
};

const checkedOverlap = (ms: number | null): number => {
  if (ms === null) return TOKEN_OVERLAP_MS;
  if (ms >= 0 && ms <= TOKEN_LIFETIME_MAX_MS) return ms;
  throw invalid(
    'DURATION_OUT_OF_RANGE',
    `The overlap is ${ms / 1000} s; it must be from 0 to 366 days. Leave it out for a day.`,
  );
};

const hasNone = ({ instance, botId }: BotTokenAsked): Refusal =>
  new Refusal(
    'WRONG_STATE',
    'BOT_HAS_NO_TOKEN',
    `Bot ${JSON.stringify(botId)} of instance ${JSON.stringify(instance)} has no token that holds, so there is none to rotate. Create one.`,
  );

const rotatesAlready = ({ instance, botId }: BotTokenAsked, older: string): Refusal =>
  new Refusal(
    'WRONG_STATE',
    'BOT_ROTATES_TOKEN',
    `Bot ${JSON.stringify(botId)} of instance ${JSON.stringify(instance)} has two tokens that hold, as during a rotation. Wait until the older one ends, or revoke it: ${older}.`,
    { tokenId: older },
  );
