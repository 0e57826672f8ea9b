/**
 * Who calls: from the credentials that a door read off the wire to a principal, or a refusal. Nothing else counts: not
 * an address, not a header that a proxy may have set.
 */
import { looksLikeBotToken } from '../core/bot-token.ts';
import { type BotIdentity, botName, type Principal } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import { certificateName } from '../core/spiffe.ts';
import type { Clock } from '../core/clock.ts';
import { askNobody, type Identify, type Known } from '../farm/identify.ts';
import type { TokenBook } from '../farm/token-book.ts';
import type { JwtReader } from './jwt.ts';

export type IdentityParts = {
  /** The SPIFFE trust domain; null: certificates name nobody. */
  readonly farm: string | null;
  /** Null: bots' tokens are not taken. */
  readonly tokens: Pick<TokenBook, 'holderOf'> | null;
  /** Null: nobody else's tokens are taken. */
  readonly jwt: Pick<JwtReader, 'memberOf'> | null;
  readonly clock: Clock;
};

/** Never aborts. */
const ALWAYS = new AbortController().signal;

export const createIdentity = ({ farm, tokens, jwt, clock }: IdentityParts): Identify => {
  const ways = [
    ...(farm === null ? [] : [`as a bot, a client certificate of spiffe://${farm}/instance/INSTANCE/bot/BOT`]),
    ...(tokens === null ? [] : ['as a bot, its token as "authorization: Bearer sgbot_…"']),
    ...(jwt === null
      ? []
      : ['as a person or a program, a JWT of the issuer that this farm trusts as "authorization: Bearer …"']),
  ];
  if (ways.length === 0) return askNobody();
  const ofBearer = async (bearer: string): Promise<Known> => {
    if (looksLikeBotToken(bearer)) {
      if (tokens === null) throw notTaken('bot tokens', 'auth.botTokens');
      const { bot, until } = await tokens.holderOf(bearer);
      return { principal: botPrincipal(bot), until };
    }
    if (!LOOKS_LIKE_JWT.test(bearer)) throw noBearerOfOurs();
    if (jwt === null) throw notTaken('JWTs', 'auth.jwt');
    return jwt.memberOf(bearer);
  };
  return async ({ bearer, certificate }) => {
    const name = farm === null || certificate === null ? NAMELESS : certificateName(certificate.uris, farm);
    if (name.kind === 'stranger') throw noBotOfOurs(name.why);
    const byBearer = bearer === null ? null : await ofBearer(bearer);
    if (name.kind === 'nameless') {
      if (byBearer === null) throw noCredentials(ways);
      return byBearer;
    }
    // The connection outlives the handshake that looked at the certificate.
    if (certificate !== null && certificate.validTo <= clock.now()) throw certificateExpired();
    // A bearer beside a bot's certificate may say the same, and never more.
    if (byBearer !== null && !isSameBot(byBearer.principal, name.bot)) throw twoCallers();
    return { principal: botPrincipal(name.bot), until: byBearer?.until ?? ALWAYS };
  };
};

const NAMELESS = { kind: 'nameless' } as const;
const LOOKS_LIKE_JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const botPrincipal = (bot: BotIdentity): Principal => ({ kind: 'bot', name: botName(bot), bot });

const isSameBot = (principal: Principal, { instance, botId }: BotIdentity): boolean =>
  principal.kind === 'bot' && principal.bot.instance === instance && principal.bot.botId === botId;

const noCredentials = (ways: readonly string[]): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'NO_CREDENTIALS',
    `This farm asks who calls, and the call showed nothing. Show ${ways.join('; or, ')}.`,
  );

const certificateExpired = (): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'CERTIFICATE_EXPIRED',
    'The client certificate of this connection has expired. Have a new one made, and connect anew with it.',
  );

const noBotOfOurs = (why: string): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'CERTIFICATE_NOT_A_BOT',
    `The client certificate names no bot of this farm: ${why}. Show one with the bot's own SPIFFE id as its only URI.`,
  );

const twoCallers = (): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'CREDENTIALS_DISAGREE',
    'The client certificate is one bot and the bearer is another caller. Send one of the two, or both of the same bot.',
  );

const notTaken = (what: string, key: string): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'BEARER_NOT_TAKEN',
    `This farm takes no ${what}: ${key} is not configured. Come in another way, or have it configured.`,
  );

const noBearerOfOurs = (): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'BEARER_UNREADABLE',
    'The bearer is neither a bot token (sgbot_…) nor a JWT (three parts with dots between). Send one of them whole, without quotes.',
  );
