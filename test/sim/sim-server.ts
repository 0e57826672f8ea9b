/** A PostgreSQL of the simulation's own: on memory-backed files, without fsync or autovacuum, a template made once. */
import { randomUUID } from 'node:crypto';
import { accessSync, chmodSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { processClock } from '../../src/process-clock.ts';
import { SUPERUSER } from '../../src/store/embedded/cluster.ts';
import { APPLICATION_ROLE, OWNER_ROLE } from '../../src/store/embedded/found.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { migrate } from '../../src/store/migrate.ts';
import { urlOf } from '../support/test-server.ts';
import { pin } from './pin.ts';
import { isRunning } from '../../src/uploads/process-mark.ts';

const TEMPLATE = 'simulation_template';
const FOLDER = /^stationgrid-sim-(\d+)-/;

/** What is not the farm's business must not happen at times of its own: it would make one seed run two ways. */
const QUIET = ['autovacuum = off', "checkpoint_timeout = '1d'", "max_wal_size = '4GB'"];
/** Bookkeeping that nobody reads here. */
const SPARE = ['track_counts = off', 'track_activities = off', 'update_process_title = off'];

/**
 * The farm's clock is what each connection was last told. Simple enough to be inlined, as the other tests' settable one is
 * not: the tick alone asks for the time some thirty times.
 */
const SIMULATED_CLOCK = `
  create or replace function farm_now() returns timestamptz language sql stable parallel safe
    as $$ select current_setting('stationgrid.now')::timestamptz $$`;

/**
 * What tells a database from its copy. The real one also tells clusters and promotions apart, of which there are none here; for that
 * it reads a file of the server in a subtransaction, at every look whether a bridge is paused.
 */
const SIMULATED_MARK = `
  create or replace function database_mark() returns text language sql stable
    as $$ select current_database()::text $$`;

export type SimServer = {
  /** On which it runs, and whoever talks with it should. */
  readonly core: number;
  /** With which another process joins it. */
  readonly url: string;
  /** Of a database, for a role. */
  readonly urlOf: (database: string, user?: string) => string;
  /** A fresh database of the farm's schema; or a copy of another, to which nobody is connected. */
  readonly create: (database: string, from?: string) => Promise<void>;
  readonly drop: (database: string) => Promise<void>;
  readonly stop: () => Promise<void>;
};

export const startSimServer = async (core = 0): Promise<SimServer> => {
  const within = memoryFolder();
  removeAbandoned(within);
  const dataDir = mkdtempSync(join(within, `stationgrid-sim-${process.pid}-`));
  // For root, PostgreSQL runs as another user, who must get in.
  chmodSync(dataDir, 0o711);
  const log = { info: () => undefined, warn: () => undefined };
  const embedded = await startEmbeddedPostgres({
    dataDir,
    log,
    clock: processClock,
    newId: randomUUID,
    isDurable: false,
  });
  const postmaster = postmasterOf(dataDir);
  if (postmaster !== null) pin(postmaster, core);
  const server = await joinSimServer(embedded.url, core);
  await makeTemplate(server, embedded.applicationRole);
  return {
    ...server,
    stop: async () => {
      await server.stop();
      await embedded.stop();
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
};

/** A server that another process has started, and will stop. */
export const joinSimServer = async (url: string, core: number): Promise<SimServer> => {
  const at = (database: string, user = APPLICATION_ROLE): string => urlOf(url, { user, database });
  const founder = new pg.Client(at('postgres', SUPERUSER));
  // A server that is stopped ends it; what led to that is to be heard.
  founder.on('error', () => undefined);
  await founder.connect();
  return {
    core,
    url,
    urlOf: at,
    create: async (database, from = TEMPLATE) => {
      await founder.query(`create database ${database} template ${from} owner ${OWNER_ROLE}`);
    },
    drop: async (database) => {
      await founder.query(`drop database if exists ${database} with (force)`);
    },
    stop: () => founder.end(),
  };
};

const makeTemplate = async ({ urlOf: at }: SimServer, applicationRole: string): Promise<void> => {
  await inSession(at('postgres', SUPERUSER), async (founder) => {
    for (const setting of [...QUIET, ...SPARE]) await founder.query(`alter system set ${setting}`);
    await founder.query('select pg_reload_conf()');
    await founder.query(`create database ${TEMPLATE} owner ${OWNER_ROLE}`);
  });
  await inSession(at(TEMPLATE, OWNER_ROLE), async (owner) => {
    await migrate(owner, { applicationRole });
    await owner.query(SIMULATED_CLOCK);
    await owner.query(SIMULATED_MARK);
  });
};

const inSession = async (url: string, work: (client: pg.Client) => Promise<void>): Promise<void> => {
  const client = new pg.Client(url);
  await client.connect();
  await work(client).finally(() => client.end());
};

const memoryFolder = (): string => {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
};

/** A run that was killed leaves its server behind. Its folder goes; the server finds that out and ends. */
const removeAbandoned = (within: string): void => {
  for (const name of readdirSync(within)) {
    const [, pid] = FOLDER.exec(name) ?? [];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const folder = join(within, name);
    try {
      const postmaster = postmasterOf(folder);
      // Its number may be another's by now.
      const words = readFileSync(`/proc/${String(postmaster)}/cmdline`, 'utf8');
      if (postmaster !== null && words.includes(folder)) process.kill(postmaster, 'SIGQUIT');
    } catch {
      // It has ended already.
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }
};

/** As its pid file has it; null: there is none. */
const postmasterOf = (dataDir: string): number | null => {
  try {
    return Number.parseInt(readFileSync(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8'), 10);
  } catch {
    return null;
  }
};
