/** `stationgrid jwt …`: a farm's own issuer, where there is no identity provider. */
import { readFileSync, statSync } from 'node:fs';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { isOpenToOthers, modeText } from '../core/file-mode.ts';
import { ROLES } from '../core/principal.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { printJson } from './print.ts';
import { openSecretFile } from './secret-file.ts';
import type { Terminal } from './terminal.ts';

const ALGORITHM = 'ES256';
const EXPIRES_MS = 8 * 3_600_000;

export const makeKey = async (terminal: Terminal, { out }: { readonly out: string }): Promise<ExitCode> => {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const key = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(key);
  openSecretFile(out, 'refused').keep(`${JSON.stringify({ ...key, kid, alg: ALGORITHM })}\n`);
  const { d: _private, ...open } = key;
  printJson(terminal, { keys: [{ ...open, kid, alg: ALGORITHM, use: 'sig' }] });
  terminal.say(`The key is in ${out}. Save what stands on standard output as the farm's auth.jwt.jwksFile.`);
  return EXIT.ok;
};

export type SignOptions = {
  readonly key: string;
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  readonly role?: readonly string[];
  readonly rolesClaim: string;
  /** Milliseconds. */
  readonly expires?: number;
};

export const signJwt = async (terminal: Terminal, options: SignOptions): Promise<ExitCode> => {
  const { issuer, audience, subject, role: roles = [], rolesClaim, expires = EXPIRES_MS } = options;
  for (const role of roles) checkRole(role);
  const key = readKey(options.key);
  const now = Date.now();
  const jwt = await new SignJWT({ [rolesClaim]: roles })
    .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', ...(key.kid === undefined ? {} : { kid: key.kid }) })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(subject)
    .setIssuedAt(new Date(now))
    .setExpirationTime(new Date(now + expires))
    .sign(await importJWK(key, ALGORITHM));
  terminal.print(jwt);
  return EXIT.ok;
};

/** A slip would be ignored by the farm, and only its log would say so. */
const checkRole = (written: string): void => {
  const role = ROLES.find((each) => written.endsWith(`:${each}`));
  if (role !== undefined && role !== 'bot') return;
  const known = ROLES.filter((each) => each !== 'bot').join(', ');
  throw new Failure(EXIT.usage, `${written} grants no role`, `Write INSTANCE:ROLE, with ${known}.`);
};

const readKey = (path: string): JWK => {
  try {
    const { mode, uid } = statSync(path);
    if (isOpenToOthers({ mode, uid }, process.getuid?.() ?? null))
      throw new Error(`others may read it (mode ${modeText(mode)}); run: chmod 600 ${path}`);
    return toKey(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    // JSON.parse repeats what it cannot read, and here that is a key.
    const why = error instanceof SyntaxError ? 'it is no JSON' : error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.usage, `cannot use ${path} as a key: ${why}`, 'Make one with `stationgrid jwt key`.');
  }
};

function toKey(read: unknown): JWK {
  if (typeof read !== 'object' || read === null || !('kty' in read) || !('d' in read) || read.kty !== 'EC')
    throw new Error('it holds no signing key');
  return read as JWK;
}
