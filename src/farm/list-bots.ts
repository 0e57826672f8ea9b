/** Lists the bots of an instance by id, page by page. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import { likePattern } from '../core/pattern.ts';
import { checkText } from '../core/text.ts';
import { readBotPage } from '../store/bot-views.ts';
import { type BotView, toBotViews } from './bot-view.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';
import { type PageAsked, pageSizeOf } from './page.ts';

export type BotsAsked = PageAsked & {
  readonly instance: string;
  /** `*` for any run of characters, `?` for one. Null: any bot. */
  readonly pattern: string | null;
  readonly connectedOnly: boolean;
};

/** `nextPageToken` empty: this is the last page. @throws Refusal INVALID. */
export const listBots = async (
  farm: Farm,
  asked: BotsAsked,
): Promise<{ readonly bots: readonly BotView[]; readonly nextPageToken: string }> => {
  const { instance, pattern, connectedOnly } = asked;
  lineFor(farm, instance);
  if (pattern !== null) checkText('The pattern', pattern, farm.limits.text.nameBytesMax);
  const size = pageSizeOf(farm.limits, asked);
  const scope = ['bots', instance, pattern, connectedOnly];
  const filter = { instance, like: pattern === null ? null : likePattern(pattern), connectedOnly };
  const found = await readBotPage(farm.pool, filter, { after: afterOf(scope, asked.pageToken), limit: size + 1 });
  const bots = await toBotViews(farm.pool, instance, found.slice(0, size));
  const last = bots.at(-1);
  const isLast = last === undefined || found.length <= size;
  return { bots, nextPageToken: isLast ? '' : cursorOf(scope, [last.botId]) };
};

const afterOf = (scope: readonly unknown[], pageToken: string): string | null => {
  if (pageToken === '') return null;
  const [after] = positionOf(scope, pageToken, ['text']);
  return String(after);
};
