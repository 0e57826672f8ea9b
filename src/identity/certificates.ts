/** Bots by the certificates of their connections: whose one is, and until when it says so. */
import type { Clock } from '../core/clock.ts';
import { type BotIdentity, botName } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import { certificateName } from '../core/spiffe.ts';
import type { Credentials } from '../farm/identify.ts';
import { createRemembered } from './remembered.ts';

export type Certificate = NonNullable<Credentials['certificate']>;

export type CertificateHolder = {
  readonly bot: BotIdentity;
  /** Aborts when the certificate ends, or is let go; its reason is a Refusal. */
  readonly until: AbortSignal;
};

export type CertificateReader = {
  /** The SPIFFE trust domain. */
  readonly farm: string;
  /** Null: it names nobody. @throws Refusal UNAUTHENTICATED for one that names no bot of this farm, or has expired. */
  readonly holderOf: (certificate: Certificate) => CertificateHolder | null;
  readonly stop: () => void;
};

export type CertificateReaderOptions = {
  readonly clock: Clock;
  /** As many as may be in use at once, or the calls of those that wait end for the sake of others. */
  readonly rememberedMax: number;
};

/** @param farm the SPIFFE trust domain. */
export const createCertificateReader = (farm: string, options: CertificateReaderOptions): CertificateReader => {
  const { clock } = options;
  // The connection outlives the handshake that looked at the certificate, and so may a call: their end is waited for.
  const remembered = createRemembered({ ...options, expired: certificateExpired });
  return {
    farm,
    holderOf: ({ uris, validTo }) => {
      const name = certificateName(uris, farm);
      if (name.kind === 'nameless') return null;
      if (name.kind === 'stranger') throw noBotOfOurs(name.why);
      // Not `<=`: an end that cannot be read compares as neither.
      if (!(validTo > clock.now())) throw certificateExpired();
      const endsAtMs = validTo.getTime();
      // One for all calls under a certificate, so that a call costs no timer.
      const { until } = remembered.keep(`${endsAtMs} ${botName(name.bot)}`, { endsAtMs });
      return { bot: name.bot, until };
    },
    stop: remembered.stop,
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
