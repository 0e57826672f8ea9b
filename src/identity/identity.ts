/**
 * Who calls: from the credentials that a door read off the wire to a principal, or a refusal. Nothing else counts: not
 * an address, not a header that a proxy may have set.
 */
import { looksLikeBotToken } from '../core/bot-token.ts';
import { type BotIdentity, botName, type Principal } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import { askNobody, type Identify, type Known } from '../farm/identify.ts';
import type { TokenBook } from '../farm/token-book.ts';
import type { CertificateReader } from './certificates.ts';
import type { JwtReader } from './jwt.ts';

export type IdentityParts = {
  /** Null: certificates name nobody. */
  readonly certificates: Pick<CertificateReader, 'farm' | 'holderOf'> | null;
  /** Null: bots' tokens are not taken. */
  readonly tokens: Pick<TokenBook, 'holderOf'> | null;
  /** Null: nobody else's tokens are taken. */
  readonly jwt: Pick<JwtReader, 'memberOf'> | null;
};

export const createIdentity = ({ certificates, tokens, jwt }: IdentityParts): Identify => {
  const ways = [
    ...(certificates === null
      ? []
      : [`as a bot, a client certificate of spiffe://${certificates.farm}/instance/INSTANCE/bot/BOT`]),
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
  const untilEither = joinSignals();
  return async ({ bearer, certificate }) => {
    const holder = certificate === null ? null : (certificates?.holderOf(certificate) ?? null);
    const byBearer = bearer === null ? null : await ofBearer(bearer);
    if (holder === null) {
      if (byBearer === null) throw noCredentials(ways);
      return byBearer;
    }
    const principal = botPrincipal(holder.bot);
    if (byBearer === null) return { principal, until: holder.until };
    // A bearer beside a bot's certificate may say the same, and never more.
    if (!isSameBot(byBearer.principal, holder.bot)) throw twoCallers();
    return { principal, until: untilEither(holder.until, byBearer.until) };
  };
};

/**
 * Aborts with the first of two. Made once for the two and not for each call: a signal that follows others is let go of only
 * when it is collected, and those live as long as credentials do.
 */
const joinSignals = () => {
  const joined = new WeakMap<AbortSignal, { readonly second: AbortSignal; readonly either: AbortSignal }>();
  return (first: AbortSignal, second: AbortSignal): AbortSignal => {
    const known = joined.get(first);
    if (known?.second === second) return known.either;
    const either = AbortSignal.any([first, second]);
    joined.set(first, { second, either });
    return either;
  };
};

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
