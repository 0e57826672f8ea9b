/** Bots by the certificates of their connections: whose one is, and until when it says so. */
import type { Clock } from '../core/clock.ts';
import { type BotIdentity, botName } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import { certificateName } from '../core/spiffe.ts';
import type { Credentials } from '../farm/identify.ts';

export type Certificate = NonNullable<Credentials['certificate']>;

export type CertificateHolder = {
  readonly bot: BotIdentity;
  /** Aborts when the certificate ends; its reason is a Refusal. */
  readonly until: AbortSignal;
};

export type CertificateReader = {
  /** The SPIFFE trust domain. */
  readonly farm: string;
  /** Null: it names nobody. @throws Refusal UNAUTHENTICATED for one that names no bot of this farm, or has expired. */
  readonly holderOf: (certificate: Certificate) => CertificateHolder | null;
  readonly stop: () => void;
};

/** Certificates whose end is waited for at once; beyond, the oldest wait goes on for the calls that have it. */
const REMEMBERED_MAX = 10_000;
/** A timer's longest is a little more. */
const SLEEP_MS_MAX = 24 * 60 * 60_000;

export const createCertificateReader = (farm: string, clock: Clock): CertificateReader => {
  const remembered = new Map<string, AbortController>();
  const stopping = new AbortController();

  /** The connection outlives the handshake that looked at the certificate, and so may a call. */
  const endInTime = async (key: string, validTo: Date, held: AbortController): Promise<void> => {
    for (;;) {
      const leftMs = validTo.getTime() - clock.now().getTime();
      if (leftMs <= 0) break;
      await clock.sleep(Math.min(leftMs, SLEEP_MS_MAX), stopping.signal);
      if (stopping.signal.aborted) return;
    }
    if (remembered.get(key) === held) remembered.delete(key);
    held.abort(certificateExpired());
  };
  /** One for all calls under a certificate, so that a call costs no timer. */
  const untilEndOf = (bot: BotIdentity, validTo: Date): AbortSignal => {
    const key = `${validTo.getTime()} ${botName(bot)}`;
    const known = remembered.get(key);
    if (known !== undefined) return known.signal;
    for (const oldest of remembered.keys()) {
      if (remembered.size < REMEMBERED_MAX) break;
      remembered.delete(oldest);
    }
    const held = new AbortController();
    remembered.set(key, held);
    void endInTime(key, validTo, held);
    return held.signal;
  };
  return {
    farm,
    holderOf: ({ uris, validTo }) => {
      const name = certificateName(uris, farm);
      if (name.kind === 'nameless') return null;
      if (name.kind === 'stranger') throw noBotOfOurs(name.why);
      // Not `<=`: an end that cannot be read compares as neither.
      if (!(validTo > clock.now())) throw certificateExpired();
      return { bot: name.bot, until: untilEndOf(name.bot, validTo) };
    },
    stop: () => {
      stopping.abort();
    },
  };
};

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
