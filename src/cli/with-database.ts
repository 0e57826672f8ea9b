/** The way of commands that ask the database itself, and no farm. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { givenDatabase } from '../config/given-database.ts';
import { createLog } from '../log.ts';
import { processClock } from '../process-clock.ts';
import { startEmbeddedPostgres } from '../store/embedded-postgres.ts';
import type { MigrateOptions } from '../store/migrate.ts';
import { EXIT } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { type Configured, configOf } from './settings.ts';
import type { Terminal } from './terminal.ts';

export type DatabaseOptions = Configured & { readonly output: 'table' | 'json' };

const CONNECT_MS = 5_000;

/**
 * Connects as the owner to the database that the configuration names, or to the embedded one, which is started if it
 * does not run and left as it was found.
 * @param absent whether an embedded database that was never made is made, or is what the caller has mistaken.
 */
export const withDatabase = async <T>(
  terminal: Terminal,
  options: DatabaseOptions,
  absent: 'make' | 'expect',
  use: (db: pg.Client, migrateOptions: MigrateOptions) => Promise<T>,
): Promise<T> => {
  const config = configOf(terminal, options);
  const given = givenDatabase(config);
  if (given !== null) return connected(given.ownerUrl, (db) => use(db, given.migrateOptions));
  const { data } = config;
  if (absent === 'expect' && !existsSync(join(data, 'postgres'))) {
    throw new Failure(
      EXIT.cannotStart,
      `there is no database in ${data}`,
      'Name its folder with --data, or a server with --database; `stationgrid db migrate` makes a new one.',
    );
  }
  const lines = createLog({ level: 'warn', format: 'pretty' }, { write: (line) => terminal.say(line.trimEnd()) });
  const log = {
    info: (facts: object, words: string) => lines.info({ ...facts }, words),
    warn: (facts: object, words: string) => lines.warn({ ...facts }, words),
  };
  const server = await startEmbeddedPostgres({ dataDir: data, log, clock: processClock, newId: randomUUID });
  try {
    return await connected(server.ownerUrl, (db) => use(db, { applicationRole: server.applicationRole }));
  } finally {
    await server.stop();
  }
};

const connected = async <T>(url: string, use: (db: pg.Client) => Promise<T>): Promise<T> => {
  const db = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'stationgrid db',
  });
  // A connection lost between two statements shows in the next; without a listener it would end the process.
  db.on('error', () => undefined);
  try {
    await db.connect();
  } catch (error) {
    const words = error instanceof AggregateError ? error.errors.map(String).join('; ') : String(error);
    throw new Failure(
      EXIT.unreachable,
      `the database at ${withoutPassword(url)} cannot be reached: ${words}`,
      'Is it running, and are host, user and password right? Name it with --database, or a secret file.',
      { cause: error },
    );
  }
  try {
    return await use(db);
  } finally {
    await db.end();
  }
};

const withoutPassword = (url: string): string => url.replace(/(\/\/[^:@/]*):[^@/]*@/, '$1:***@');
