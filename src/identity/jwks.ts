/** The keys of the JWT issuer: a file that is read again when it changes, or the issuer's own address. */
import { readFile, stat } from 'node:fs/promises';
import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { CannotStart } from '../core/cannot-start.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../farm/farm.ts';

export type KeySource =
  | { readonly kind: 'file'; readonly path: string }
  /** https, or http on loopback. */
  | { readonly kind: 'url'; readonly url: URL };

export type Keys = {
  readonly keyOf: JWTVerifyGetKey;
  readonly stop: () => Promise<void>;
};

/** A file is looked at this often. */
const LOOK_MS = 2_000;
/** A JWT with an unknown `kid` has the keys fetched again, but not sooner than this after the last time. */
const FETCH_COOLDOWN_MS = 30_000;
const FETCH_TIMEOUT_MS = 5_000;
/** And they are fetched anew when they are this old. */
const FETCHED_AGE_MS_MAX = 10 * 60_000;
const KEYS_BYTES_MAX = 1024 * 1024;

/** @param onChange is told after new keys of a file are in force. @throws CannotStart for a file that holds no keys. */
export const openKeys = async (
  source: KeySource,
  { clock, log, onChange }: { readonly clock: Clock; readonly log: Log; readonly onChange: () => void },
): Promise<Keys> => {
  if (source.kind === 'url') {
    const keyOf = createRemoteJWKSet(source.url, {
      timeoutDuration: FETCH_TIMEOUT_MS,
      cooldownDuration: FETCH_COOLDOWN_MS,
      cacheMaxAge: FETCHED_AGE_MS_MAX,
    });
    return { keyOf: async (header, token) => keyOf(header, token), stop: () => Promise.resolve() };
  }
  const { path } = source;
  const first = await readKeys(path).catch((cause: unknown) => {
    throw new CannotStart(
      `The keys of auth.jwt.jwksFile cannot be read from ${path}: ${wordsOf(cause)}. Put the issuer's JWK set (RFC 7517) there.`,
      { cause },
    );
  });
  let { keyOf, mark } = first;
  const stopping = new AbortController();
  const look = async (): Promise<void> => {
    const now = await markOf(path);
    if (now === mark) return;
    ({ keyOf, mark } = await readKeys(path));
    log.info({ path }, "the JWT issuer's keys were read again");
    onChange();
  };
  const looking = (async () => {
    while (!stopping.signal.aborted) {
      await clock.sleep(LOOK_MS, stopping.signal);
      await look().catch((error: unknown) => {
        log.error(
          { path, error: wordsOf(error) },
          "the JWT issuer's keys cannot be read; the former ones stay in force",
        );
      });
    }
  })();
  return {
    keyOf: (header, token) => keyOf(header, token),
    stop: async () => {
      stopping.abort();
      await looking;
    },
  };
};

/** What changes when a file is written, or when what a link points to is exchanged, as orchestrators do. */
const markOf = async (path: string): Promise<string> => {
  const { dev, ino, size, mtimeMs } = await stat(path);
  if (size > KEYS_BYTES_MAX) throw new Error(`it has ${size} bytes, which is too much for keys`);
  return [dev, ino, size, mtimeMs].join(' ');
};

const readKeys = async (path: string): Promise<{ readonly keyOf: JWTVerifyGetKey; readonly mark: string }> => {
  // Before the text: what is written meanwhile is found by the next look.
  const mark = await markOf(path);
  const keyOf = createLocalJWKSet(toKeySet(JSON.parse(await readFile(path, 'utf8'))));
  return { keyOf, mark };
};

/** jose checks each key when it is wanted; that none is symmetric or private is checked here. */
function toKeySet(read: unknown): JSONWebKeySet {
  if (typeof read !== 'object' || read === null || !('keys' in read) || !Array.isArray(read.keys))
    throw new Error('it is no JWK set; write {"keys": [ … ]}');
  if (read.keys.length === 0) throw new Error('it holds no key');
  for (const key of read.keys as readonly unknown[]) {
    if (typeof key !== 'object' || key === null || !('kty' in key)) throw new Error('one of its keys is no JWK');
    if (key.kty === 'oct') throw new Error('one of its keys is symmetric: whoever verifies by it could sign by it');
    if ('d' in key) throw new Error('one of its keys is private; only the issuer may have that');
  }
  return read as JSONWebKeySet;
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
