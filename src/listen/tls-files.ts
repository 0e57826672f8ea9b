/** The farm's certificate, and whose certificates it takes: read from files, and again when they change. */
import { constants, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { isOpenToOthers, modeText } from '../core/file-mode.ts';

export type TlsPaths = {
  /** The certificate of the farm, with the chain up to its authority, as PEM. */
  readonly certificate: string;
  readonly key: string;
  /** Who signs the certificates of bots, as PEM; null: none is asked for. */
  readonly clientAuthorities: string | null;
};

export type TlsMaterial = {
  readonly context: SecureContextOptions;
  readonly expiresAt: Date;
  /** As PEM; null: certificates of clients are not asked for. */
  readonly clientAuthorities: string | null;
  /** Of the files it was read from. */
  readonly stamp: string;
};

export type Loaded =
  { readonly kind: 'ok'; readonly material: TlsMaterial } | { readonly kind: 'broken'; readonly why: string };

const MATERIAL_BYTES_MAX = 1024 * 1024;

/** Changes when any of the files does. One that cannot be found is part of it, too. */
export const stampOf = ({ certificate, key, clientAuthorities }: TlsPaths): string =>
  [certificate, key, clientAuthorities].map((path) => (path === null ? 'none' : stampOfFile(path))).join(', ');

const stampOfFile = (path: string): string => {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch (error) {
    return String(error);
  }
};

/**
 * Every connection proves itself anew: what was resumed would outlive the authority that vouched for it. And it does so
 * once: TLS 1.2 could show another certificate later, and Node looks at the first only.
 */
const PROVED_ONCE = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

export const loadTls = (paths: TlsPaths, now: Date): Loaded => {
  const stamp = stampOf(paths);
  try {
    checkKeyMode(paths.key);
    const cert = read(paths.certificate);
    const expiresAt = expiryOf(paths.certificate, cert, now);
    const clientAuthorities = paths.clientAuthorities === null ? null : read(paths.clientAuthorities);
    if (paths.clientAuthorities !== null) certificatesIn(paths.clientAuthorities, clientAuthorities ?? '');
    const context: SecureContextOptions = {
      cert,
      key: read(paths.key),
      ...(clientAuthorities === null ? {} : { ca: clientAuthorities }),
      minVersion: 'TLSv1.2',
      secureOptions: PROVED_ONCE,
    };
    // A key of another certificate is found here, not in the first handshake.
    createSecureContext(context);
    return { kind: 'ok', material: { context, expiresAt, clientAuthorities, stamp } };
  } catch (error) {
    return { kind: 'broken', why: error instanceof Error ? error.message : String(error) };
  }
};

const read = (path: string): string => {
  const { size } = statSync(path);
  if (size > MATERIAL_BYTES_MAX) throw new Error(`${path} is too big for a certificate or a key`);
  return readFileSync(path, 'utf8');
};

const checkKeyMode = (path: string): void => {
  const found = statSync(path);
  if (isOpenToOthers(found, process.getuid?.() ?? null))
    throw new Error(`others may read the key ${path} (mode ${modeText(found.mode)}); run: chmod 600 ${path}`);
};

const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** In their order. @throws Error that names the path, when there are none or one cannot be read. */
export const certificatesIn = (path: string, text: string): readonly X509Certificate[] => {
  const blocks = text.match(BLOCK) ?? [];
  if (blocks.length === 0) throw new Error(`${path} has no certificate in PEM`);
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new Error(`${path} has a certificate that cannot be read`, { cause });
    }
  });
};

/** Of the first, which is the farm's own. */
const expiryOf = (path: string, text: string, now: Date): Date => {
  const [own] = certificatesIn(path, text);
  const expiresAt = new Date(own?.validTo ?? Number.NaN);
  if (expiresAt.getTime() <= now.getTime())
    throw new Error(`the certificate ${path} is valid to ${expiresAt.toISOString()} only; put a new one there`);
  return expiresAt;
};
