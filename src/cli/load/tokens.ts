/**
 * Where a farm asks for credentials, each bot needs its own. A run makes a token for each of its bots, by the right of whoever
 * starts it, and revokes them when it has ended.
 */
import {
  CreateBotTokenRequest,
  IdentityService,
  RevokeBotTokenRequest,
  WhoAmIRequest,
} from '../../gen/stationgrid/v1/identity.ts';
import { EXIT } from '../exit-codes.ts';
import { Failure } from '../failure.ts';
import { toDuration } from '../to-duration.ts';
import type { Connections } from './connections.ts';
import { inLanes } from './in-lanes.ts';

export type BotTokens = {
  /** null: the farm asks nobody for credentials. */
  readonly of: (botId: string) => string | null;
  /** As far as the farm can be reached; what is left expires. */
  readonly revoke: () => Promise<void>;
};

const NO_TOKENS: BotTokens = { of: () => null, revoke: () => Promise.resolve() };
const AT_ONCE_MAX = 20;
const ANSWER_MS = 10_000;

/** @throws Failure where the farm does not give bots tokens, or not for this caller. */
export const makeTokens = async (
  connections: Connections,
  wanted: { readonly instance: string; readonly botIds: readonly string[]; readonly holdMs: number },
): Promise<BotTokens> => {
  const { kind } = await connections.ask(IdentityService.whoAmI, WhoAmIRequest.create());
  if (kind === 'open') return NO_TOKENS;
  const { instance, botIds, holdMs } = wanted;
  const made = new Map<string, string>();
  const revoke = (): Promise<void> =>
    inLanes([...made.keys()], AT_ONCE_MAX, async (botId, through) => {
      const request = RevokeBotTokenRequest.create({ instance, botId });
      await connections.call(IdentityService.revokeBotToken, request, { through, deadlineMs: ANSWER_MS });
    });
  try {
    await inLanes(botIds, AT_ONCE_MAX, async (botId) => {
      const request = CreateBotTokenRequest.create({ instance, botId, expiresIn: toDuration(holdMs) });
      made.set(botId, (await connections.ask(IdentityService.createBotToken, request)).secretText);
    });
  } catch (error) {
    await revoke();
    throw error instanceof Failure && error.exitCode === EXIT.refused
      ? new Failure(error.exitCode, error.message, CURE, { cause: error })
      : error;
  }
  return { of: (botId) => made.get(botId) ?? null, revoke };
};

const CURE =
  'Bots of a farm that asks for credentials need tokens, which a run makes for its own: that takes `auth.botTokens: true` and ' +
  'the role of an admin in the instance.';
