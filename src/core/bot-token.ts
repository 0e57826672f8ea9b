/**
 * A bot's token: `sgbot_<id>_<secret>`. The id finds its row, the secret (256 bits) proves it; the farm keeps the
 * SHA-256 of the secret and nothing else of it. A fast hash will do: nobody guesses 256 random bits.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

const DAY_MS = 24 * 60 * 60 * 1000;

/** How long a token holds when nobody says otherwise, and at most. */
export const TOKEN_LIFETIME_MS = 90 * DAY_MS;
export const TOKEN_LIFETIME_MAX_MS = 366 * DAY_MS;
/** How long the older token still holds after a rotation when nobody says otherwise. */
export const TOKEN_OVERLAP_MS = DAY_MS;
/** One, and one more while the bot goes over to it. */
export const VALID_TOKENS_MAX = 2;

const FORM = /^sgbot_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;
const MARK = 'sgbot_';

export type PresentedToken = { readonly id: string; readonly secret: string };

/** Whether a credential means to be a bot's token, well-formed or not. */
export const looksLikeBotToken = (text: string): boolean => text.startsWith(MARK);

/** Null: it is not so written. */
export const parseBotToken = (text: string): PresentedToken | null => {
  const [, digits, secret] = FORM.exec(text) ?? [];
  return digits === undefined || secret === undefined ? null : { id: dashed(digits), secret };
};

/** The digits of a uuid in the groups that PostgreSQL writes. */
const dashed = (digits: string): string => digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

export type NewToken = {
  readonly id: string;
  /** To be handed to the bot, once. */
  readonly text: string;
  readonly secretSha256: Buffer;
};

/** Uuids a secret is made of: two hold 244 random bits, three more than the 256 that are wanted. */
const UUIDS_A_SECRET = 3;

/** @param newId draws random uuids from the system's own source: the secret is a digest of several. */
export const newBotToken = (newId: () => string): NewToken => {
  const id = newId();
  const drawn = Array.from({ length: UUIDS_A_SECRET }, newId).join('');
  const secret = createHash('sha256').update(drawn).digest('base64url');
  return { id, text: `${MARK}${id.replaceAll('-', '')}_${secret}`, secretSha256: secretHash(secret) };
};

const secretHash = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/** In a time that tells nothing of where the two differ. */
export const isSecretOf = (secret: string, secretSha256: Buffer): boolean =>
  timingSafeEqual(secretHash(secret), secretSha256);

/** How a token stands, by the database's clock. */
export type TokenState = 'VALID' | 'EXPIRED' | 'REVOKED';

/** A token that was revoked after it had expired was not; that order is kept for people to read. */
export const tokenState = (token: {
  readonly revokedAt: Date | null;
  /** At most zero: over. */
  readonly expiresInMs: number;
}): TokenState => {
  if (token.revokedAt !== null) return 'REVOKED';
  return token.expiresInMs <= 0 ? 'EXPIRED' : 'VALID';
};
