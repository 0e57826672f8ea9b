/**
 * What this replica knows of bots' tokens, so that a call costs no SQL. It is read anew every 2 s, when a replica says
 * that something changed, and when somebody shows a token that is not in it. A book that could not be read for 4 s
 * vouches for nobody: so a revoked token holds nowhere 5 s later, whatever was lost on the way.
 */
import { isSecretOf, parseBotToken } from '../core/bot-token.ts';
import type { BotIdentity } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import type { Farm } from './farm.ts';
import { expiredToken, openTokenPages, revokedToken, unknownToken } from './token-pages.ts';

export type TokenHolder = {
  readonly tokenId: string;
  readonly bot: BotIdentity;
  /** Aborts when the token has ended or the book cannot vouch for it any more; its reason is a Refusal. */
  readonly until: AbortSignal;
};

export type TokenBook = {
  /** The first reading is done when this resolves. @throws when the database does not answer. */
  readonly start: () => Promise<void>;
  /** Returns at once: a reading that hangs holds up nothing. */
  readonly stop: () => void;
  /** @throws Refusal UNAUTHENTICATED; UNAVAILABLE while the book is too old to vouch for anybody. */
  readonly holderOf: (text: string) => Promise<TokenHolder>;
};

/** After a reading that failed, the next comes so much sooner. */
const HURRY = 4;

export const createTokenBook = (farm: Pick<Farm, 'pool' | 'clock' | 'limits' | 'log' | 'onWake'>): TokenBook => {
  const { clock } = farm;
  const { refreshMs, staleMs } = farm.limits.tokens;
  const pages = openTokenPages(farm);
  const stopping = new AbortController();
  const isStopping = (): boolean => stopping.signal.aborted;
  const isFresh = (): boolean => clock.monotonicMs() - pages.asOfMs() <= staleMs;

  const readOften = async (): Promise<void> => {
    let isRead = true;
    while (!isStopping()) {
      await clock.sleep(isRead ? refreshMs : refreshMs / HURRY, stopping.signal);
      if (!isStopping()) isRead = await pages.read();
    }
  };
  /** Beside the reading, which may hang: ends what goes on under tokens as soon as nothing vouches for them. */
  const watch = async (): Promise<void> => {
    while (!isStopping()) {
      const leftMs = pages.asOfMs() + staleMs - clock.monotonicMs();
      await clock.sleep(leftMs >= 0 ? Math.min(refreshMs, leftMs + 1) : refreshMs / HURRY, stopping.signal);
      if (isStopping()) return;
      if (isFresh()) endExpired();
      else pages.letAllGo(staleBook());
    }
  };
  const endExpired = (): void => {
    for (const { bot, endsMs, held } of pages.entries.values())
      if (endsMs <= clock.monotonicMs() && !held.signal.aborted) held.abort(expiredToken(bot));
  };

  let deafen: () => void = () => undefined;
  return {
    start: async () => {
      await pages.readFirst();
      deafen = farm.onWake(({ kind }) => {
        if (kind === 'tokens') void pages.read();
      });
      void readOften();
      void watch();
    },
    stop: () => {
      deafen();
      stopping.abort();
      pages.close();
    },
    holderOf: async (text) => {
      const presented = parseBotToken(text);
      if (presented === null) throw malformedToken();
      const { id, secret } = presented;
      // Made at another replica a moment ago, perhaps. All who come with such tokens share one reading.
      if (!pages.entries.has(id) && !pages.isAbsent(id)) {
        if (!(await pages.read())) throw staleBook();
        if (!pages.entries.has(id)) pages.noteAbsent(id);
      }
      if (!isFresh()) throw staleBook();
      const entry = pages.entries.get(id);
      if (entry === undefined || !isSecretOf(secret, entry.secretSha256)) throw unknownToken();
      if (entry.isRevoked) throw revokedToken(entry.bot);
      if (entry.endsMs <= clock.monotonicMs()) throw expiredToken(entry.bot);
      return { tokenId: id, bot: entry.bot, until: entry.held.signal };
    },
  };
};

const malformedToken = (): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'TOKEN_MALFORMED',
    'The bearer begins like a bot token and is none: sgbot_, 32 hexadecimal digits, _, 43 letters. Send it whole, and without quotes.',
  );

const staleBook = (): Refusal =>
  new Refusal(
    'UNAVAILABLE',
    'TOKENS_AWAY',
    'The farm cannot read the tokens of its bots just now, and trusts none that it cannot look up. Call again in a moment.',
  );
