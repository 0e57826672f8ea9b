/** Where the bench runs: a PostgreSQL of its own with fsync on, farms in this process, servers in processes of theirs. */
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { processClock } from '../../src/process-clock.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { SUPERUSER } from '../../src/store/embedded/cluster.ts';
import { embeddedFolder } from '../../src/store/embedded/folder.ts';
import { OWNER_ROLE } from '../../src/store/embedded/found.ts';
import { migrate } from '../../src/store/migrate.ts';
import { checkServer } from '../../src/store/pool.ts';
import { removeAbandoned } from '../support/remove-abandoned.ts';
import { urlOf } from '../support/test-server.ts';
import { type BenchFarm, type FarmChanges, openFarm } from './open-farm.ts';
import {
  type BareHttpServer,
  type BareServer,
  type EchoOptions,
  type ServeOptions,
  type ScrapeServer,
  type ServingProcess,
  startBareHttp,
  startEcho,
  startScrape,
  startServe,
} from './processes.ts';

export type BenchDatabase = {
  /** For the farm's application role. */
  readonly url: string;
  readonly ownerUrl: string;
  readonly drop: () => Promise<void>;
};

export type BenchSite = {
  /** For logs and profiles; goes when the site closes. */
  readonly folder: string;
  /** A fresh migrated database. `name` is for whoever watches the server. */
  readonly database: (name?: string) => Promise<BenchDatabase>;
  /** Counts statements in a database, of connections that are opened from now on. */
  readonly countStatements: (database: BenchDatabase) => Promise<() => number>;
  /** A farm in this process, without doors. */
  readonly openFarm: (url: string, changes?: FarmChanges) => Promise<BenchFarm>;
  /** A real `stationgrid serve` on ports of its own. */
  readonly serve: (options: ServeOptions) => Promise<ServingProcess>;
  /** A bare grpc-js server of the Bots service, in a process of its own: what the farm is compared with. */
  readonly echo: (options?: EchoOptions) => Promise<BareServer>;
  /** Node's own HTTP server, which answers every call with these bytes, in a process of its own. */
  readonly bareHttp: (answer: Buffer) => Promise<BareHttpServer>;
  /** The farm's metrics behind their own door, with so many bots in memory. */
  readonly scrape: (bots: number) => Promise<ScrapeServer>;
  /** Farms and servers that still run are ended: a measure that failed must not disturb the next. */
  readonly clear: () => Promise<void>;
  /** The same, and PostgreSQL with it. */
  readonly close: () => Promise<void>;
};

const TEMPLATE = 'bench_template';

export type SiteOptions = {
  /** Where each server leaves a CPU profile when it ends; null: they are not profiled, which costs them. */
  readonly profiles?: string | null;
};

export const openBenchSite = async ({ profiles = null }: SiteOptions = {}): Promise<BenchSite> => {
  removeAbandoned();
  const folder = mkdtempSync(join(tmpdir(), `stationgrid-bench-${process.pid}-`));
  // For root, PostgreSQL runs as another user, who must get in.
  chmodSync(folder, 0o711);
  const undo: (() => Promise<void>)[] = [];
  const log = { info: () => undefined, warn: () => undefined };
  const server = await startEmbeddedPostgres({ dataDir: folder, log, clock: processClock, newId: randomUUID });
  const clear = async (): Promise<void> => {
    for (const step of undo.toReversed()) await step();
  };
  const close = async (): Promise<void> => {
    await clear();
    await server.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  const founder = urlOf(server.url, { user: SUPERUSER, database: 'postgres' });
  try {
    await makeTemplate(founder, server.applicationRole);
    await alone(server.url, checkServer);
  } catch (error) {
    await close();
    throw error;
  }
  let databases = 0;
  return {
    folder,
    database: async (name = 'farm') => {
      databases += 1;
      const database = `bench_${name.replaceAll(/\W/g, '_')}_${databases}`;
      await alone(founder, (db) => db.query(`create database ${database} template ${TEMPLATE} owner ${OWNER_ROLE}`));
      const url = urlOf(server.url, { database });
      return {
        url,
        ownerUrl: urlOf(url, { user: OWNER_ROLE }),
        drop: () => alone(founder, (db) => db.query(`drop database if exists ${database} with (force)`)),
      };
    },
    countStatements: async ({ url }) => {
      const name = new URL(url).pathname.slice(1);
      await alone(founder, (db) => db.query(`alter database ${name} set log_statement = 'all'`));
      return () => statementsIn(readFileSync(embeddedFolder(folder).serverLog, 'utf8'));
    },
    openFarm: async (url, changes = {}) => keep(undo, await openFarm(url, changes)),
    serve: async (options) => keep(undo, await startServe({ folder, profiles }, options)),
    echo: async (options = {}) => keep(undo, await startEcho({ folder, profiles }, options)),
    bareHttp: async (answer) => keep(undo, await startBareHttp({ folder, profiles }, answer)),
    scrape: async (bots) => keep(undo, await startScrape({ folder, profiles }, bots)),
    clear,
    close,
  };
};

/** What its user has closed is closed no second time. */
const keep = <T extends { readonly close: () => Promise<void> }>(undo: (() => Promise<void>)[], opened: T): T => {
  const close = async (): Promise<void> => {
    const at = undo.indexOf(close);
    if (at < 0) return;
    undo.splice(at, 1);
    await opened.close();
  };
  undo.push(close);
  return { ...opened, close };
};

/** As PostgreSQL logs them: those of the simple protocol, and each run of one of the extended protocol. */
const statementsIn = (log: string): number => log.match(/ LOG: {2}(?:statement|execute \S+): /g)?.length ?? 0;

const makeTemplate = async (founder: string, applicationRole: string): Promise<void> => {
  await alone(founder, (db) => db.query(`create database ${TEMPLATE} owner ${OWNER_ROLE}`));
  await alone(urlOf(founder, { user: OWNER_ROLE, database: TEMPLATE }), (owner) => migrate(owner, { applicationRole }));
};

const alone = async (url: string, work: (db: pg.Client) => Promise<unknown>): Promise<void> => {
  const db = new pg.Client({ connectionString: url, application_name: 'stationgrid bench' });
  await db.connect();
  await work(db).finally(() => db.end());
};
