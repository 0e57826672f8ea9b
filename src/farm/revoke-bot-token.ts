/** Ends tokens of bots at once: at every replica within 5 s, for polls that are parked too. */
import { invalid, Refusal } from '../core/refusal.ts';
import { lockBotTokens, readBotToken, revokeTokens } from '../store/bot-tokens.ts';
import { type BotTokenView, toTokenView } from './bot-token-view.ts';
import { type Farm, transact } from './farm.ts';
import { lineFor } from './instance.ts';

/** One of the two is given, the other is empty: one token by its id, or all of a bot. */
export type RevocationAsked = { readonly instance: string; readonly botId: string; readonly tokenId: string };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Repeating it is harmless. Returns what it ended. @throws Refusal INVALID, NOT_FOUND for an unknown id. */
export const revokeBotToken = async (
  farm: Farm,
  asked: RevocationAsked,
  by: string,
): Promise<readonly BotTokenView[]> => {
  const { instance, botId, tokenId } = asked;
  lineFor(farm, instance);
  if ((botId === '') === (tokenId === '')) throw oneOfTwo();
  const bot = tokenId === '' ? botId : await ownerOf(farm, asked);
  if (bot.includes('\0')) return [];
  const ended = await transact(farm, async (db) => {
    // Whoever rotates meanwhile has seen what holds: it must not end under its hands, nor what it makes be passed by.
    await lockBotTokens(db, instance, bot);
    return revokeTokens(db, tokenId === '' ? { instance, botId } : { instance, id: tokenId }, by);
  });
  // Also when nothing was left to end: whoever repeats it wants it known everywhere.
  farm.wake([{ kind: 'tokens' }]);
  return ended.map(toTokenView);
};

/** The bot of a token. */
const ownerOf = async (farm: Farm, asked: RevocationAsked): Promise<string> => {
  const { instance, tokenId } = asked;
  const token = UUID.test(tokenId) ? await readBotToken(farm.pool, instance, tokenId) : null;
  if (token === null) throw noSuchToken(asked);
  return token.botId;
};

const oneOfTwo = (): Refusal =>
  invalid('TOKEN_OR_BOT', 'Name one token by its id, or a bot to end all of its tokens: one of the two, not both.');

const noSuchToken = ({ instance, tokenId }: RevocationAsked): Refusal =>
  new Refusal(
    'NOT_FOUND',
    'NO_SUCH_TOKEN',
    `Instance ${JSON.stringify(instance)} has no bot token with the id ${JSON.stringify(tokenId)}. See the list of tokens.`,
  );
