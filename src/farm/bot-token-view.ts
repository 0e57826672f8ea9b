/** A bot's token as the doors show it: whose, until when, by whom; nothing of its secret. */
import { type TokenState, tokenState } from '../core/bot-token.ts';
import type { BotTokenRow } from '../store/bot-tokens.ts';

export type BotTokenView = Omit<BotTokenRow, 'expiresInMs'> & { readonly state: TokenState };

export const toTokenView = ({ expiresInMs, ...row }: BotTokenRow): BotTokenView => ({
  ...row,
  state: tokenState({ revokedAt: row.revokedAt, expiresInMs }),
});
