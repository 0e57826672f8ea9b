/** stationgrid.v1.Identity: who calls, and the tokens of bots. */
import { type Principal, principalName } from '../../core/principal.ts';
import type { BotTokenView } from '../../farm/bot-token-view.ts';
import { type BotTokenMade, createBotToken } from '../../farm/create-bot-token.ts';
import type { Farm } from '../../farm/farm.ts';
import { listBotTokens } from '../../farm/list-bot-tokens.ts';
import { revokeBotToken } from '../../farm/revoke-bot-token.ts';
import { rotateBotToken } from '../../farm/rotate-bot-token.ts';
import type { BotToken, IdentityService, NewBotToken, WhoAmIResponse } from '../../gen/stationgrid/v1/identity.ts';
import { textOrNull } from './convert-ids.ts';
import { msOf, timestampOf, timestampOrUnset } from './convert-time.ts';
import type { HandlersOf } from './endpoints.ts';

export const createIdentityService = (farm: Farm): HandlersOf<IdentityService> => ({
  whoAmI: (_request, { principal }) => Promise.resolve(whoOf(principal)),
  createBotToken: async ({ instance, botId, expiresIn }, { principal }) =>
    newTokenOf(await createBotToken(farm, { instance, botId, expiresInMs: msOf(expiresIn) }, principalName(principal))),
  rotateBotToken: async ({ instance, botId, expiresIn, overlap }, { principal }) => {
    const asked = { instance, botId, expiresInMs: msOf(expiresIn), overlapMs: msOf(overlap) };
    return newTokenOf(await rotateBotToken(farm, asked, principalName(principal)));
  },
  revokeBotToken: async (asked, { principal }) => ({
    tokens: (await revokeBotToken(farm, asked, principalName(principal))).map(tokenMessageOf),
  }),
  listBotTokens: async ({ botId, ...asked }) => {
    const { tokens, nextPageToken } = await listBotTokens(farm, { ...asked, botId: textOrNull(botId) });
    return { tokens: tokens.map(tokenMessageOf), nextPageToken };
  },
});

const whoOf = (principal: Principal): WhoAmIResponse => ({
  name: principalName(principal),
  kind: principal.kind,
  bot: principal.kind === 'bot' ? principal.bot : undefined,
  grants: principal.kind === 'member' ? principal.grants : [],
});

const newTokenOf = ({ token, secretText }: BotTokenMade): NewBotToken => ({ token: tokenMessageOf(token), secretText });

const tokenMessageOf = (token: BotTokenView): BotToken => ({
  id: token.id,
  instance: token.instance,
  botId: token.botId,
  state: token.state,
  createTime: timestampOf(token.createdAt),
  createdBy: token.createdBy,
  expireTime: timestampOf(token.expiresAt),
  revokeTime: timestampOrUnset(token.revokedAt),
  revokedBy: token.revokedBy ?? '',
});
