/** Certificates for tests: an authority of their own, servers on loopback, bots by their SPIFFE ids, expired ones. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { spiffeOf } from '../../src/core/spiffe.ts';
import { bits, explicit, implicit, integer, octets, oid, sequence, set, time, utf8, yes } from './der.ts';

/** A certificate and its key, as PEM. */
export type Issued = { readonly certificate: string; readonly key: string };

export type Wanted = {
  /** For people. */
  readonly name?: string;
  readonly dnsNames?: readonly string[];
  /** IPv4 or `::1`. */
  readonly addresses?: readonly string[];
  readonly uris?: readonly string[];
  readonly validFrom?: Date;
  readonly validTo?: Date;
};

export type Authority = {
  /** Its own certificate: what a peer must trust. */
  readonly certificate: string;
  readonly issue: (wanted: Wanted) => Issued;
  /** For localhost, 127.0.0.1 and ::1. */
  readonly server: (wanted?: Wanted) => Issued;
  /** For the bot's SPIFFE id. */
  readonly bot: (
    bot: { readonly farm: string; readonly instance: string; readonly botId: string },
    wanted?: Wanted,
  ) => Issued;
};

const HOUR_MS = 3_600_000;
/** Was valid, an hour ago. */
export const expired = (): Pick<Wanted, 'validFrom' | 'validTo'> => ({
  validFrom: new Date(Date.now() - 2 * HOUR_MS),
  validTo: new Date(Date.now() - HOUR_MS),
});

export const openAuthority = (name = 'StationGrid tests'): Authority => {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signed = { issuer: name, issuerKey: own.privateKey };
  const issue = (wanted: Wanted): Issued => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const certificate = certify({ ...signed, subject: wanted.name ?? 'a test', publicKey, wanted, isAuthority: false });
    return { certificate, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  };
  return {
    certificate: certify({ ...signed, subject: name, publicKey: own.publicKey, wanted: {}, isAuthority: true }),
    issue,
    server: (wanted = {}) => issue({ dnsNames: ['localhost'], addresses: ['127.0.0.1', '::1'], ...wanted }),
    bot: ({ farm, instance, botId }, wanted = {}) =>
      issue({
        uris: [spiffeOf(farm, { instance, botId })],
        ...wanted,
      }),
  };
};

/** Puts `<name>.pem` and `<name>.key` into the folder, and gives their paths. */
export const writeIssued = (
  folder: string,
  name: string,
  { certificate, key }: Issued,
): { readonly certificate: string; readonly key: string } => {
  const paths = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  writeFileSync(paths.certificate, certificate);
  writeFileSync(paths.key, key, { mode: 0o600 });
  return paths;
};

const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const commonName = (name: string): Buffer => sequence(set(sequence(oid('2.5.4.3'), utf8(name))));

type Statement = {
  readonly subject: string;
  readonly issuer: string;
  readonly issuerKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly wanted: Wanted;
  readonly isAuthority: boolean;
};

/** A certificate of RFC 5280, version 3, as PEM. */
const certify = ({ subject, issuer, issuerKey, publicKey, wanted, isAuthority }: Statement): string => {
  const { validFrom = new Date(Date.now() - HOUR_MS), validTo = new Date(Date.now() + 24 * HOUR_MS) } = wanted;
  const stated = sequence(
    explicit(0, integer(2)),
    // Positive, and never shortened: its first bit is 0, its second 1.
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    commonName(issuer),
    sequence(time(validFrom), time(validTo)),
    commonName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...(isAuthority ? authorityExtensions : [namesExtension(wanted)]))),
  );
  const certificate = sequence(stated, ECDSA_WITH_SHA256, bits(sign('sha256', stated, issuerKey)));
  const lines = certificate.toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
};

const extension = (id: string, value: Buffer): Buffer => sequence(oid(id), octets(value));
const criticalExtension = (id: string, value: Buffer): Buffer => sequence(oid(id), yes, octets(value));

/** Basic constraints: an authority. Key usage: signs certificates and revocation lists. */
const authorityExtensions = [
  criticalExtension('2.5.29.19', sequence(yes)),
  criticalExtension('2.5.29.15', bits(Buffer.from([0b0000_0110]), 1)),
];

/** Subject alternative names. */
const namesExtension = ({ dnsNames = [], addresses = [], uris = [] }: Wanted): Buffer =>
  extension(
    '2.5.29.17',
    sequence(
      ...dnsNames.map((name) => implicit(2, Buffer.from(name))),
      ...uris.map((uri) => implicit(6, Buffer.from(uri))),
      ...addresses.map((address) => implicit(7, addressBytes(address))),
    ),
  );

const addressBytes = (address: string): Buffer => {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  if (address === '::1') return Buffer.from([...Array.from({ length: 15 }, () => 0), 1]);
  throw new Error(`${address}: only IPv4 and ::1 are written here`);
};
