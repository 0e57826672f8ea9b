import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { CannotStart } from '../../core/cannot-start.ts';
import type { Account } from './launcher.ts';

/** A socket's path must fit 107 bytes on Linux and 103 on macOS; some room is left for whoever links to it. */
const SOCKET_PATH_MAX_BYTES = 90;
export const SOCKET_PORT = 5432;

/** What lies where under the data directory's `postgres` folder. */
export interface EmbeddedFolder {
  readonly path: string;
  readonly cluster: string;
  readonly serverLog: string;
  readonly postmasterPid: string;
  /** Names the socket's folder where the data directory's own path is too long for one. */
  readonly socketNote: string;
}

export function embeddedFolder(dataDir: string): EmbeddedFolder {
  const path = join(dataDir, 'postgres');
  const cluster = join(path, 'cluster');
  return {
    path,
    cluster,
    serverLog: join(path, 'server.log'),
    postmasterPid: join(cluster, 'postmaster.pid'),
    socketNote: join(path, 'socket-folder'),
  };
}

/** @throws CannotStart when the folder cannot be made, or is another user's. */
export function prepareFolder({ path }: EmbeddedFolder): void {
  const isRoot = process.getuid?.() === 0;
  try {
    // Root's data directory is entered by PostgreSQL's own user, who must not be able to list it.
    mkdirSync(join(path, '..'), { recursive: true, mode: isRoot ? 0o711 : 0o700 });
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new CannotStart(`The data directory ${path} cannot be made (${String(cause)}). Choose another with --data.`, {
      cause,
    });
  }
  const { uid } = statSync(path);
  if (isRoot || uid === process.getuid?.()) return;
  throw new CannotStart(
    `The data directory ${path} belongs to user ${uid}, this is user ${String(process.getuid?.())}. ` +
      'Run as that user, or choose another directory with --data.',
  );
}

/** Gives a cluster that another means of running made to the one chosen now. For root only, and never under a server. */
export function settleOwner(path: string, { uid, gid }: Account): void {
  if (process.getuid?.() !== 0 || statSync(path).uid === uid) return;
  for (const entry of readdirSync(path, { recursive: true, encoding: 'utf8' })) lchownSync(join(path, entry), uid, gid);
  chownSync(path, uid, gid);
}

/** The socket's folder as it was left by an earlier start; null before the first. */
export function findSocketFolder(folder: EmbeddedFolder): string | null {
  const noted = readNote(folder);
  const path = noted ?? join(folder.path, 'socket');
  const found = statSync(path, { throwIfNoEntry: false });
  // A temporary folder can be swept away and made again by a stranger: only one that nobody else can write to will do.
  const isPrivate = found !== undefined && (found.mode & 0o077) === 0;
  return isPrivate && (noted === null || found.uid === statSync(folder.path).uid) ? path : null;
}

/** Finds or makes the folder, for `owner` alone. */
export function makeSocketFolder(folder: EmbeddedFolder, owner: Account): string {
  const path = findSocketFolder(folder) ?? newSocketFolder(folder);
  if (process.getuid?.() === 0) chownSync(path, owner.uid, owner.gid);
  chmodSync(path, 0o700);
  return path;
}

function newSocketFolder(folder: EmbeddedFolder): string {
  const noted = readNote(folder);
  // Made again where it was, a swept folder mends the connections of farms that already know it.
  if (noted !== null && isMade(noted)) return noted;
  if (noted !== null) rmSync(folder.socketNote, { force: true });
  const own = join(folder.path, 'socket');
  if (fits(own)) {
    mkdirSync(own, { recursive: true, mode: 0o700 });
    return own;
  }
  const parent = [tmpdir(), '/tmp'].find((path) => fits(join(path, 'stationgrid-XXXXXX'))) ?? '/tmp';
  return note(folder, mkdtempSync(join(parent, 'stationgrid-')));
}

function isMade(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch {
    return false;
  }
}

/** Of two farms that start at once, the first to note its folder wins: a link is made whole or not at all. */
function note(folder: EmbeddedFolder, path: string): string {
  const draft = `${folder.socketNote}.${basename(path)}`;
  writeFileSync(draft, path);
  try {
    linkSync(draft, folder.socketNote);
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    const winner = readNote(folder);
    if (winner === null) throw error;
    return winner;
  } finally {
    rmSync(draft, { force: true });
  }
  return path;
}

function fits(socketFolder: string): boolean {
  return Buffer.byteLength(join(socketFolder, `.s.PGSQL.${SOCKET_PORT}`)) <= SOCKET_PATH_MAX_BYTES;
}

function readNote({ socketNote }: EmbeddedFolder): string | null {
  try {
    return readFileSync(socketNote, 'utf8');
  } catch {
    return null;
  }
}
