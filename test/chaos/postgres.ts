/** The farm's PostgreSQL, started and owned by the run: it can be killed, starved of connections, and its disk filled. */
import { execFile, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { processClock } from '../../src/process-clock.ts';
import { findPostgresBinaries } from '../../src/store/embedded/binaries.ts';
import { SUPERUSER } from '../../src/store/embedded/cluster.ts';
import { socketUrl } from '../../src/store/embedded/connect.ts';
import { embeddedFolder, prepareFolder } from '../../src/store/embedded/folder.ts';
import { DATABASE, OWNER_ROLE } from '../../src/store/embedded/found.ts';
import { chooseLauncher } from '../../src/store/embedded/launcher.ts';
import { reachServer } from '../../src/store/embedded/reach.ts';
import { fillDisk } from '../support/fill-disk.ts';

const run = promisify(execFile);

const WAL_DISK = '128m';
/** What keeps the write-ahead log well inside its disk as long as nobody else fills that. */
const WAL_SETTINGS = '\nmin_wal_size = 32MB\nmax_wal_size = 64MB\n';
/** Messages of 1 MB: more than the segments at hand could ever take in. */
const SQUEEZE_MAX = 200;
/** More than the server lets in. */
const CONNECTIONS_MAX = 400;

export interface OwnPostgres {
  /** For the replicas. */
  readonly url: string;
  readonly isUp: () => boolean;
  readonly start: () => Promise<void>;
  /** As after a power cut: `pg_ctl stop -m immediate`. */
  readonly crash: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** Takes all connections that there are, those of the farm included. Resolves with what gives them back. */
  readonly exhaust: () => Promise<() => Promise<void>>;
  /** Fills the disk of the write-ahead log, to the server's end. Null: it has no disk of its own. */
  readonly fillDisk: (() => Promise<void>) | null;
  readonly freeDisk: () => void;
  readonly ask: <T>(use: (db: pg.Client) => Promise<T>) => Promise<T>;
  readonly remove: () => void;
}

/** @param say hears why the disk of the write-ahead log is none of its own. */
export async function openOwnPostgres(dataDir: string, say: (words: string) => void): Promise<OwnPostgres> {
  const folder = embeddedFolder(dataDir);
  prepareFolder(folder);
  const binaries = findPostgresBinaries();
  const log = { info: () => undefined, warn: () => undefined };
  const reach = (): Promise<string> =>
    reachServer({
      ...{ folder, log, clock: processClock, newId: randomUUID, isDurable: true },
      signal: new AbortController().signal,
    });
  const socketFolder = await reach();
  const urlAs = (user: string): string => socketUrl(socketFolder, { user, database: DATABASE });
  const launcher = chooseLauncher(binaries, folder.path);

  const end = async (mode: 'fast' | 'immediate'): Promise<void> => {
    const words = ['stop', '--pgdata', folder.cluster, '--mode', mode, '--wait', '--silent'];
    const [program = '', ...rest] = [...launcher.prefix, join(binaries.folder, 'pg_ctl'), ...words];
    // It may have ended by itself: that is what a full disk does to it.
    await run(program, rest, { ...launcher.identity, cwd: '/' }).catch(() => undefined);
  };
  const connected = async (user: string): Promise<pg.Client> => {
    const db = new pg.Client(urlAs(user));
    db.on('error', () => undefined);
    await db.connect();
    return db;
  };
  const ask: OwnPostgres['ask'] = async (use) => {
    const db = await connected(OWNER_ROLE);
    return use(db).finally(() => db.end());
  };

  await end('fast');
  const walDisk = mountWal(folder.path, folder.cluster, say);
  await reach();
  const filler = walDisk === null ? null : join(walDisk, 'filler');
  let isUp = true;

  return {
    url: urlAs(OWNER_ROLE),
    isUp: () => isUp,
    start: async () => {
      await reach();
      isUp = true;
    },
    crash: async () => {
      isUp = false;
      await end('immediate');
    },
    stop: async () => {
      isUp = false;
      await end('fast');
    },
    exhaust: async () => {
      const taken: pg.Client[] = [];
      const take = async (): Promise<void> => {
        while (taken.length < CONNECTIONS_MAX) taken.push(await connected(OWNER_ROLE));
      };
      await take().catch(() => undefined);
      // The farm's own places become free, and are taken too.
      await taken[0]
        ?.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where usename = current_user and application_name like 'stationgrid%'`,
        )
        .catch(() => undefined);
      await take().catch(() => undefined);
      return async () => {
        await Promise.all(taken.map((db) => db.end().catch(() => undefined)));
      };
    },
    fillDisk:
      filler === null
        ? null
        : async () => {
            isUp = false;
            fillDisk(filler);
            const db = await connected(SUPERUSER);
            const squeeze = async (): Promise<void> => {
              for (let n = 0; n < SQUEEZE_MAX; n += 1) {
                await db.query(`select pg_logical_emit_message(false, 'chaos', repeat('x', 1000000))`);
              }
            };
            await squeeze().catch(() => undefined);
            await db.end().catch(() => undefined);
          },
    freeDisk: () => {
      if (filler !== null) rmSync(filler, { force: true });
    },
    ask,
    remove: () => {
      if (walDisk !== null) execFileSync('umount', ['--lazy', walDisk]);
    },
  };
}

/** Puts the write-ahead log on a small disk in memory, where one can be mounted. The server must not run. */
function mountWal(folder: string, cluster: string, say: (words: string) => void): string | null {
  const disk = join(folder, 'wal');
  const wal = join(cluster, 'pg_wal');
  const { uid, gid } = statSync(cluster);
  mkdirSync(disk);
  try {
    const options = `size=${WAL_DISK},mode=700,uid=${uid},gid=${gid}`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'stationgrid-chaos', disk], { stdio: 'pipe' });
  } catch (error) {
    const [why = ''] = String(error).split('\n').slice(-2);
    say(`skipped: disk full: no small disk can be mounted here: ${why}`);
    return null;
  }
  execFileSync('cp', ['-a', `${wal}/.`, join(disk, 'pg_wal')]);
  renameSync(wal, join(folder, 'pg_wal.before'));
  symlinkSync(join(disk, 'pg_wal'), wal);
  appendFileSync(join(cluster, 'postgresql.conf'), WAL_SETTINGS);
  return disk;
}
