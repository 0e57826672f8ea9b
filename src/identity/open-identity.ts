/** Whoever tells callers apart, made of what the configuration's `auth` says, with what must run for it. */
import type { Auth } from '../config/auth.ts';
import type { Farm } from '../farm/farm.ts';
import type { Identify } from '../farm/identify.ts';
import { createTokenBook } from '../farm/token-book.ts';
import { type CertificateReaderOptions, createCertificateReader } from './certificates.ts';
import { createIdentity } from './identity.ts';
import { type KeySource, openKeys } from './jwks.ts';
import { createJwtReader, type JwtReader } from './jwt.ts';

export type OpenIdentity = { readonly identify: Identify; readonly stop: () => Promise<void> };

/** @throws CannotStart for keys that cannot be read; whatever the database throws. */
export const openIdentity = async ({ farm: trustDomain, botTokens, jwt }: Auth, farm: Farm): Promise<OpenIdentity> => {
  const members = jwt === null ? null : await openMembers(jwt, farm);
  const tokens = botTokens ? createTokenBook(farm) : null;
  await tokens?.start();
  const certificates = trustDomain === null ? null : createCertificateReader(trustDomain, seamsOf(farm));
  return {
    identify: createIdentity({ certificates, tokens, jwt: members?.reader ?? null }),
    stop: async () => {
      certificates?.stop();
      tokens?.stop();
      await members?.stop();
    },
  };
};

/** A bot may wait with a poll that is parked, or with any call on a connection that is open. */
const seamsOf = ({ clock, limits: { poll, doors } }: Farm): CertificateReaderOptions => ({
  clock,
  rememberedMax: Math.max(poll.parkedMax, doors.connectionsMax),
});

type Members = { readonly reader: JwtReader; readonly stop: () => Promise<void> };

const openMembers = async (rules: NonNullable<Auth['jwt']>, { clock, log }: Farm): Promise<Members> => {
  let forget: () => void = () => undefined;
  const keys = await openKeys(sourceOf(rules), { clock, log, onChange: () => forget() });
  const reader = createJwtReader({ ...rules, clockSkewMs: rules.clockSkew }, keys.keyOf, { clock, log });
  forget = reader.forgetAll;
  return {
    reader,
    stop: () => {
      reader.stop();
      return keys.stop();
    },
  };
};

/** Of the two exactly one is given (config/auth.ts). */
const sourceOf = ({ jwksFile, jwksUrl }: NonNullable<Auth['jwt']>): KeySource => {
  if (jwksFile !== null) return { kind: 'file', path: jwksFile };
  if (jwksUrl !== null) return { kind: 'url', url: new URL(jwksUrl) };
  throw new Error('auth.jwt names no keys');
};
