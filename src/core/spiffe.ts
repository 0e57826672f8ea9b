/**
 * A bot's name in its certificate: `spiffe://<farm>/instance/<instance>/bot/<bot_id>`, instance and bot_id
 * percent-encoded, the empty instance written `-` as in the paths of the HTTP door (and an instance that is called `-`
 * written `%2D`).
 */
import type { BotIdentity } from './principal.ts';

const SCHEME = 'spiffe:';
/** The SPIFFE ID specification, section 2.3. */
const URI_BYTES_MAX = 2048;
const FORM = /^spiffe:\/\/([a-z0-9._-]{1,255})\/instance\/([\w.~!$&'()*+,;=:@%-]+)\/bot\/([\w.~!$&'()*+,;=:@%-]+)$/;
const EMPTY_INSTANCE = '-';

/** The name of a trust domain: lower case, without port or user (SPIFFE ID, section 2.1). */
export const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;

export const spiffeOf = (farm: string, { instance, botId }: BotIdentity): string =>
  `spiffe://${farm}/instance/${instance === '' ? EMPTY_INSTANCE : segment(instance)}/bot/${segment(botId)}`;

/** Dots alone would be read as something else than a name, and the dash as no name. */
const segment = (name: string): string =>
  /^(\.{1,2}|-)$/.test(name) ? name.replaceAll('.', '%2E').replaceAll('-', '%2D') : encodeURIComponent(name);

export type CertificateName =
  | { readonly kind: 'bot'; readonly bot: BotIdentity }
  /** No SPIFFE id stands in it: it says nothing of who calls. */
  | { readonly kind: 'nameless' }
  /** It names somebody, but no bot of this farm. `why` in words. */
  | { readonly kind: 'stranger'; readonly why: string };

/** @param uris every URI of the certificate's subjectAltName. SPIFFE allows one: with two, which would count? */
export const certificateName = (uris: readonly string[], farm: string): CertificateName => {
  const ids = uris.filter((uri) => uri.toLowerCase().startsWith(SCHEME));
  if (ids.length === 0) return { kind: 'nameless' };
  const [id] = uris;
  if (uris.length > 1 || id === undefined) return stranger('it carries more than one URI, and may carry one');
  if (Buffer.byteLength(id) > URI_BYTES_MAX) return stranger('its SPIFFE id is longer than 2048 bytes');
  const [, domain, instance, botId] = FORM.exec(id) ?? [];
  if (domain === undefined || instance === undefined || botId === undefined)
    return stranger('its SPIFFE id is not of the form spiffe://FARM/instance/INSTANCE/bot/BOT');
  if (domain !== farm) return stranger('its SPIFFE id is of another trust domain');
  const bot = { instance: instance === EMPTY_INSTANCE ? '' : decoded(instance), botId: decoded(botId) };
  if (bot.instance === null || bot.botId === null)
    return stranger('the instance or the bot in its SPIFFE id is not percent-encoded UTF-8');
  return { kind: 'bot', bot: { instance: bot.instance, botId: bot.botId } };
};

const stranger = (why: string): CertificateName => ({ kind: 'stranger', why });

/** Null: not the encoding of a name. U+0000 is none: nothing that is stored holds one. */
const decoded = (encoded: string): string | null => {
  try {
    const name = decodeURIComponent(encoded);
    return name === '' || name.includes('\0') ? null : name;
  } catch {
    return null;
  }
};
