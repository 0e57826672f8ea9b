/** /api/v1/instances/{instance}/bot-tokens and /bots/{bot}/tokens */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { type BotTokenMade, createBotToken } from '../../farm/create-bot-token.ts';
import type { Farm } from '../../farm/farm.ts';
import { listBotTokens } from '../../farm/list-bot-tokens.ts';
import { revokeBotToken } from '../../farm/revoke-bot-token.ts';
import { rotateBotToken } from '../../farm/rotate-bot-token.ts';
import { asks, callerOf } from './admit-requests.ts';
import { duration } from './durations.ts';
import { json, made } from './shape.ts';
import { tokenMade, tokenPage, tokens } from './shapes/token.ts';
import { flag, instanceOf, pageQuery, readBody, readQuery } from './read.ts';

const tokensQuery = z.strictObject({ bot: z.string().nullable().default(null), valid: flag, ...pageQuery });
const createBody = z.strictObject({ expiresIn: duration().nullable().default(null) });
const rotateBody = createBody.extend({ overlap: duration().nullable().default(null) });

type BotParams = { readonly instance: string; readonly botId: string };
type TokenParams = { readonly instance: string; readonly id: string };

const NO_ONE = { botId: '', tokenId: '' };

export const addBotTokens = (app: FastifyInstance, farm: Farm): void => {
  const ofBot = ({ botId = '' }: Readonly<Record<string, string>>): string => `bot ${botId}`;
  const ofToken = ({ id = '' }: Readonly<Record<string, string>>): string => `token ${id}`;
  app.get(
    '/bot-tokens',
    asks('list-bot-tokens', {
      says: 'Lists the tokens of bots, without their secrets.',
      query: tokensQuery,
      gives: json(tokenPage),
    }),
    ({ params, query }) => {
      const { bot: botId, valid: validOnly, ...page } = readQuery(tokensQuery, query);
      return listBotTokens(farm, { instance: instanceOf(params), botId, validOnly, ...page });
    },
  );
  app.post<{ Params: BotParams }>(
    '/bots/:botId/tokens',
    asks(
      'create-bot-token',
      { says: 'Makes the first token of a bot.', body: createBody, gives: made(tokenMade) },
      ofBot,
    ),
    async (request, reply) => {
      const { expiresIn } = readBody(createBody, request.body);
      return shownOnce(
        reply,
        await createBotToken(farm, { ...nameOf(request), expiresInMs: expiresIn }, callerOf(request)),
      );
    },
  );
  app.post<{ Params: BotParams }>(
    '/bots/:botId/tokens/rotate',
    asks(
      'rotate-bot-token',
      {
        says: 'Makes a new token of a bot beside the one that it has, which ends soon.',
        body: rotateBody,
        gives: made(tokenMade),
      },
      ofBot,
    ),
    async (request, reply) => {
      const { expiresIn, overlap: overlapMs } = readBody(rotateBody, request.body);
      const asked = { ...nameOf(request), expiresInMs: expiresIn, overlapMs };
      return shownOnce(reply, await rotateBotToken(farm, asked, callerOf(request)));
    },
  );
  app.delete<{ Params: BotParams }>(
    '/bots/:botId/tokens',
    asks(
      'revoke-bot-token',
      { says: 'Revokes all tokens of a bot.', name: 'revokeTokensOfBot', gives: json(tokens) },
      ofBot,
    ),
    async (request) => ({
      tokens: await revokeBotToken(farm, { ...NO_ONE, ...nameOf(request) }, callerOf(request)),
    }),
  );
  app.delete<{ Params: TokenParams }>(
    '/bot-tokens/:id',
    asks('revoke-bot-token', { says: 'Revokes a token by its id.', gives: json(tokens) }, ofToken),
    async (request) => {
      const asked = { ...NO_ONE, instance: instanceOf(request.params), tokenId: request.params.id };
      return { tokens: await revokeBotToken(farm, asked, callerOf(request)) };
    },
  );
};

const nameOf = ({ params }: { readonly params: BotParams }) => ({
  instance: instanceOf(params),
  botId: params.botId,
});

/** No cache on the way may keep a secret. */
const shownOnce = (reply: FastifyReply, made: BotTokenMade): FastifyReply =>
  reply.status(201).header('cache-control', 'no-store').send(made);
