import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { EMBEDDED_CONNECTIONS_MAX } from '../../core/limits.ts';
import type { PostgresBinaries } from './binaries.ts';
import type { EmbeddedFolder } from './folder.ts';
import type { Launcher } from './launcher.ts';

const LOG_MAX_BYTES = 10 * 1024 * 1024;
const LOG_TAIL_MAX_BYTES = 2_000;

/** What makes an acknowledged commit survive a crash (PostgreSQL's defaults, said aloud: nothing may turn them off). */
const durable = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };

const settings = {
  listen_addresses: '',
  max_connections: String(EMBEDDED_CONNECTIONS_MAX),
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // The farm's statements are small; compiling or spreading them costs more than it saves.
  jit: 'off',
  max_parallel_workers_per_gather: '0',
};

export interface PostmasterOptions {
  readonly folder: EmbeddedFolder;
  readonly binaries: PostgresBinaries;
  readonly launcher: Launcher;
  readonly socketFolder: string;
  /** False only in tests, which lose nothing in a power cut. */
  readonly isDurable: boolean;
}

/** A server that was just spawned; it lives on when this process ends. */
export interface Postmaster {
  /** Null while it runs; afterwards the end of what it said. */
  readonly lastWords: () => string | null;
}

/** Spawns the server away from our terminal, so that a Ctrl-C meant for the farm leaves it up while the farm drains. */
export function spawnPostmaster({
  folder,
  binaries,
  launcher,
  socketFolder,
  isDurable,
}: PostmasterOptions): Postmaster {
  const durability = isDurable ? durable : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
  const all = { ...settings, ...durability, unix_socket_directories: socketFolder };
  const words = ['-D', folder.cluster, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const [program = '', ...rest] = [...launcher.prefix, binaries.postgres, ...words];
  if ((statSync(folder.serverLog, { throwIfNoEntry: false })?.size ?? 0) > LOG_MAX_BYTES) {
    renameSync(folder.serverLog, `${folder.serverLog}.old`);
  }
  const log = openSync(folder.serverLog, 'a', 0o600);
  const logStart = statSync(folder.serverLog).size;
  try {
    const child = spawn(program, rest, {
      ...launcher.identity,
      cwd: '/',
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      detached: true,
      stdio: ['ignore', log, log],
    });
    child.unref();
    return { lastWords: watch(child, () => readTail(folder.serverLog, logStart)) };
  } finally {
    closeSync(log);
  }
}

function watch(child: ChildProcess, tail: () => string): () => string | null {
  let ended: string | null = null;
  child.once('exit', (code, signal) => {
    ended = tail() || `it ended with ${signal ?? `exit code ${String(code)}`}`;
  });
  child.once('error', (error) => {
    ended = error.message;
  });
  return () => ended;
}

function readTail(path: string, from: number): string {
  try {
    return readFileSync(path).subarray(from).subarray(-LOG_TAIL_MAX_BYTES).toString('utf8').trim();
  } catch {
    // The data directory was removed under the server.
    return '';
  }
}

/**
 * Asks the server to end: sessions are ended, everything is written. Its process is named by its own pid file, and
 * checked to be a PostgreSQL where the system tells, in case the number was used again. Returns its pid, null for none.
 */
export function stopPostmaster(folder: EmbeddedFolder): number | null {
  const pid = readPostmasterPid(folder);
  if (pid === null || !serves(pid, folder)) return null;
  try {
    // SIGINT is PostgreSQL's "fast shutdown".
    process.kill(pid, 'SIGINT');
    return pid;
  } catch {
    // It ended just now, or left its pid file when it was killed.
    return null;
  }
}

/** The server's process as its pid file has it; null when it ended in order, or never began. */
export function readPostmasterPid({ postmasterPid }: EmbeddedFolder): number | null {
  try {
    const pid = Number.parseInt(readFileSync(postmasterPid, 'utf8'), 10);
    return pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

/** A pid file that was left behind may name anything by now, the server of another farm as well. */
function serves(pid: number, { cluster }: EmbeddedFolder): boolean {
  if (!existsSync('/proc/self')) return true;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(cluster);
  } catch {
    return false;
  }
}
