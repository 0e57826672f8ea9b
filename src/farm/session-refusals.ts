/** The words for a session that a call names and may not have. */
import type { BotIdentity } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import type { SessionRow } from '../store/bot-sessions.ts';

/** @param bot null: anybody's will do. */
export const isOf = (session: BotIdentity, bot: BotIdentity | null): boolean =>
  bot === null || (session.botId === bot.botId && session.instance === bot.instance);

export const unknownSession = (name: string): Refusal =>
  new Refusal(
    'SESSION_UNKNOWN',
    'SESSION_UNKNOWN',
    `There is no bot session ${JSON.stringify(name)} of this bot. Create one with CreateBotSession.`,
  );

export const closedSession = ({ name, closedAt, closedReason }: SessionRow): Refusal =>
  new Refusal(
    'SESSION_CLOSED',
    'SESSION_CLOSED',
    `The bot session ${JSON.stringify(name)} was closed at ${closedAt?.toISOString() ?? 'just now'}: ` +
      `${closedReason ?? 'unknown'}. Create a new session with CreateBotSession.`,
    { closedReason: closedReason ?? '' },
  );
