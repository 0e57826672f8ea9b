import { CannotStart } from '../../core/cannot-start.ts';
import type { Clock } from '../../core/clock.ts';
import type { PostgresBinaries } from './binaries.ts';
import { findPostgresBinaries } from './binaries.ts';
import { ensureCluster, SUPERUSER } from './cluster.ts';
import { isLost, socketUrl, tryConnect } from './connect.ts';
import type { EmbeddedFolder } from './folder.ts';
import { findSocketFolder, makeSocketFolder } from './folder.ts';
import { foundDatabase } from './found.ts';
import type { Launcher } from './launcher.ts';
import { chooseLauncher } from './launcher.ts';
import type { Postmaster } from './postmaster.ts';
import { spawnPostmaster } from './postmaster.ts';

/** Recovery after a power cut replays the write-ahead log, up to 1 GB of it on a slow disk. */
export const START_MAX_MS = 120_000;
/** How long a server that is said to run already may stay unreachable. */
const JOIN_MAX_MS = 10_000;
const POLL_MS = 25;
const RESPAWN_MS = 250;

/** Said when another server holds the cluster: it starts, it stops, or its killed postmaster's children still end. */
const HELD_BY_ANOTHER = /postmaster\.pid" already exists|is still in use|still running/;

export interface EmbeddedLog {
  readonly info: (fields: Readonly<Record<string, unknown>>, words: string) => void;
  readonly warn: (fields: Readonly<Record<string, unknown>>, words: string) => void;
}

export interface ReachOptions {
  readonly folder: EmbeddedFolder;
  readonly log: EmbeddedLog;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly isDurable: boolean;
  readonly signal: AbortSignal;
}

/**
 * Joins the data directory's server, or starts it. Resolves with the socket's folder once a server answers there and
 * holds the farm's database.
 * @throws CannotStart when it cannot be started, or does not answer in time.
 */
export async function reachServer(options: ReachOptions): Promise<string> {
  const { folder, clock, signal } = options;
  const startedMs = clock.monotonicMs();
  let attempt: Attempt | null = null;
  let why = 'it does not answer';
  while (clock.monotonicMs() - startedMs < START_MAX_MS) {
    signal.throwIfAborted();
    const socketFolder = findSocketFolder(folder);
    const url = socketFolder === null ? null : socketUrl(socketFolder, { user: SUPERUSER, database: 'postgres' });
    const connection = url === null ? ({ kind: 'absent' } as const) : await tryConnect(url);
    if (connection.kind === 'connected' && socketFolder !== null) {
      try {
        await foundDatabase(connection.client);
        return socketFolder;
      } catch (error) {
        // The last farm to leave may be stopping it under us.
        if (!isLost(error)) throw error;
        why = String(error);
      } finally {
        await connection.client.end();
      }
    }
    if (connection.kind === 'absent') attempt = await spawnIfEnded(attempt, options);
    else if (connection.kind === 'busy') why = connection.why;
    await clock.sleep(POLL_MS, signal);
  }
  throw notReady(folder, why);
}

export function notReady({ path, serverLog }: EmbeddedFolder, why: string): CannotStart {
  return new CannotStart(
    `The embedded PostgreSQL in ${path} was not ready within ${START_MAX_MS / 1000} s: ${why}. ` +
      `Its own words are in ${serverLog}.`,
  );
}

interface Attempt {
  readonly launcher: Launcher;
  readonly binaries: PostgresBinaries;
  readonly postmaster: Postmaster;
  /** Since when another server has been in the way; null while none has. */
  readonly heldSinceMs: number | null;
}

async function spawnIfEnded(last: Attempt | null, options: ReachOptions): Promise<Attempt> {
  const { folder, clock, log, newId, isDurable, signal } = options;
  const lastWords = last?.postmaster.lastWords() ?? null;
  if (last !== null && lastWords === null) return last;
  const heldSinceMs = lastWords === null ? null : (last?.heldSinceMs ?? clock.monotonicMs());
  if (lastWords !== null && heldSinceMs !== null) {
    refuseHopeless(lastWords, clock.monotonicMs() - heldSinceMs, folder);
    await clock.sleep(RESPAWN_MS, signal);
  }
  const binaries = last?.binaries ?? findPostgresBinaries();
  const launcher = last?.launcher ?? chooseLauncher(binaries, folder.path);
  await ensureCluster({ folder, binaries, launcher, now: clock.now(), draftName: newId(), isDurable });
  const socketFolder = makeSocketFolder(folder, launcher.owner);
  if (last === null) log.info({ folder: folder.path }, `starting the embedded PostgreSQL ${launcher.words}`);
  const postmaster = spawnPostmaster({ folder, binaries, launcher, socketFolder, isDurable });
  return { launcher, binaries, postmaster, heldSinceMs };
}

function refuseHopeless(lastWords: string, heldMs: number, folder: EmbeddedFolder): void {
  if (!HELD_BY_ANOTHER.test(lastWords)) {
    throw new CannotStart(
      `The embedded PostgreSQL did not start: ${lastWords.replaceAll(/\s*\n\s*/g, ' ')} ` +
        `Mend what it names (a full disk? permissions?), or choose another --data. Its log is ${folder.serverLog}.`,
    );
  }
  if (heldMs < JOIN_MAX_MS) return;
  throw new CannotStart(
    `Another PostgreSQL holds ${folder.cluster} but does not answer (${lastWords.replaceAll(/\s*\n\s*/g, ' ')}). ` +
      `Stop it; or, if the process that ${folder.postmasterPid} names is no PostgreSQL, remove that file.`,
  );
}
