/** Lists the tokens of an instance's bots, page by page; those that have ended too, for who wants to see them. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import { checkText } from '../core/text.ts';
import { readTokenPage } from '../store/bot-tokens.ts';
import { type BotTokenView, toTokenView } from './bot-token-view.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';
import { type PageAsked, pageSizeOf } from './page.ts';

export type BotTokensAsked = PageAsked & {
  readonly instance: string;
  /** Null: of any bot. */
  readonly botId: string | null;
  readonly validOnly: boolean;
};

/** `nextPageToken` empty: this is the last page. @throws Refusal INVALID. */
export const listBotTokens = async (
  farm: Farm,
  asked: BotTokensAsked,
): Promise<{ readonly tokens: readonly BotTokenView[]; readonly nextPageToken: string }> => {
  const { instance, botId, validOnly } = asked;
  lineFor(farm, instance);
  if (botId !== null) checkText('The bot', botId, farm.limits.text.nameBytesMax);
  const size = pageSizeOf(farm.limits, asked);
  const scope = ['bot tokens', instance, botId, validOnly];
  const found = await readTokenPage(
    farm.pool,
    { instance, botId, validOnly },
    { after: afterOf(scope, asked.pageToken), limit: size + 1 },
  );
  const tokens = found.slice(0, size).map(toTokenView);
  const last = tokens.at(-1);
  const isLast = last === undefined || found.length <= size;
  return { tokens, nextPageToken: isLast ? '' : cursorOf(scope, [last.botId, last.id]) };
};

const afterOf = (
  scope: readonly unknown[],
  pageToken: string,
): { readonly botId: string; readonly id: string } | null => {
  if (pageToken === '') return null;
  const [botId, id] = positionOf(scope, pageToken, ['text', 'uuid']);
  return { botId: String(botId), id: String(id) };
};
