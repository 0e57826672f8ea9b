/** What a bot shows of itself, from files that are read again when they change: so credentials rotate without a restart. */
import { readFileSync, statSync } from 'node:fs';
import type { Shown, Tls } from './grpc-transport.ts';

export type CredentialFiles = {
  /** Authorities that sign the farm's certificate, as PEM; null: those of the system, where TLS is spoken at all. */
  readonly ca: string | null;
  /** The bot's own certificate and key, as PEM; both or none. */
  readonly cert: string | null;
  readonly key: string | null;
  /** Holds the bot's token, and nothing else. */
  readonly token: string | null;
  /** TLS also where no file asks for it. */
  readonly tls: boolean;
};

/**
 * Reads at the first call and whenever a file has changed. A file that cannot be read just then, as while it is being
 * replaced, keeps what it said before.
 * @throws Error in words, when a file cannot be read at the first call.
 */
export const readCredentials = (files: CredentialFiles): (() => Shown) => {
  const [ca, cert, key, token] = [files.ca, files.cert, files.key, files.token].map(watched);
  if ((files.cert === null) !== (files.key === null)) throw new Error('Give both --cert and --key, or none of them.');
  checkSecret(files.key);
  checkSecret(files.token);
  const speaksTls = files.tls || files.ca !== null || files.cert !== null;
  let tls: Tls | null = null;
  return () => {
    const [rootCertificates, certificateChain, privateKey] = [ca?.() ?? null, cert?.() ?? null, key?.() ?? null];
    const own = certificateChain === null || privateKey === null ? null : { privateKey, certificateChain };
    // The same object as long as nothing changed: who holds a connection sees by it whether to make another.
    const isSame =
      tls !== null &&
      tls.rootCertificates === rootCertificates &&
      tls.own?.privateKey === own?.privateKey &&
      tls.own?.certificateChain === own?.certificateChain;
    if (speaksTls && !isSame) tls = { rootCertificates, own };
    return { tls, token: token?.().toString('utf8').trim() ?? null };
  };
};

/** The bytes of a file, the same buffer until it changes. */
const watched = (path: string | null): (() => Buffer) | null => {
  if (path === null) return null;
  let known = { mark: markOf(path), bytes: readFileSync(path) };
  return () => {
    try {
      const mark = markOf(path);
      if (mark !== known.mark) known = { mark, bytes: readFileSync(path) };
    } catch {
      // Between the old file and the new one.
    }
    return known.bytes;
  };
};

/** Orchestrators swap the file behind the path, editors write into it. */
const markOf = (path: string): string => {
  const { ino, mtimeMs, size } = statSync(path);
  return `${ino} ${mtimeMs} ${size}`;
};

/** Root's own file may be read by our group, as orchestrators mount secrets for an unprivileged process. */
const checkSecret = (path: string | null): void => {
  if (path === null) return;
  const { mode, uid } = statSync(path);
  const others = uid === 0 && process.getuid?.() !== 0 ? 0o027 : 0o077;
  if ((mode & others) !== 0) throw new Error(`Others may read ${path}; run: chmod 600 ${path}`);
};
