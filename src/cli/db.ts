/** `stationgrid db …`. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { createLog } from '../log.ts';
import { runDoctor } from '../store/doctor.ts';
import { startEmbeddedPostgres } from '../store/embedded-postgres.ts';
import { migrate, migrationStatus, type MigrateOptions, type MigrationStatus } from '../store/migrate.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { localTime, NONE, printJson, printTable } from './print.ts';
import { processClock } from '../process-clock.ts';
import { type Configured, configOf } from './settings.ts';
import type { Terminal } from './terminal.ts';

export type DatabaseOptions = Configured & { readonly output: 'table' | 'json' };

const CONNECT_MS = 5_000;

export const migrateDatabase = (terminal: Terminal, options: DatabaseOptions): Promise<ExitCode> =>
  withDatabase(terminal, options, 'make', async (db, migrateOptions) => {
    const applied = await migrate(db, migrateOptions);
    if (options.output === 'json')
      printJson(
        terminal,
        applied.map(({ number, name }) => ({ number, name })),
      );
    else {
      for (const { number, name } of applied) terminal.print(`applied ${fileName(number, name)}`);
      if (applied.length === 0) terminal.print('Nothing to do: the schema is that of this build.');
    }
    return EXIT.ok;
  });

export const databaseStatus = (terminal: Terminal, options: DatabaseOptions): Promise<ExitCode> =>
  withDatabase(terminal, options, 'expect', async (db) => {
    const status = await migrationStatus(db);
    const rows = statusRows(status);
    if (options.output === 'json') printJson(terminal, rows);
    else {
      printTable(
        terminal,
        ['MIGRATION', 'STANDS', 'APPLIED'],
        rows.map(({ number, name, stands, appliedAt }) => [
          fileName(number, name),
          stands,
          appliedAt === null ? NONE : localTime(appliedAt),
        ]),
      );
    }
    return rows.every(({ stands }) => stands === 'applied') ? EXIT.ok : EXIT.workFailed;
  });

type StatusRow = {
  readonly number: number;
  readonly name: string;
  readonly stands: 'applied' | 'pending' | 'changed since' | 'from the future';
  readonly appliedAt: Date | null;
};

const statusRows = ({ applied, pending, future, changed }: MigrationStatus): readonly StatusRow[] => {
  const standsOf = (number: number): StatusRow['stands'] => {
    const isNamed = (migration: { readonly number: number }): boolean => migration.number === number;
    if (future.some(isNamed)) return 'from the future';
    return changed.some(isNamed) ? 'changed since' : 'applied';
  };
  return [
    ...applied.map(({ number, name, appliedAt }) => ({ number, name, stands: standsOf(number), appliedAt })),
    ...pending.map(({ number, name }) => ({ number, name, stands: 'pending' as const, appliedAt: null })),
  ].sort((a, b) => a.number - b.number);
};

const fileName = (number: number, name: string): string => `${String(number).padStart(4, '0')}_${name}`;

export const databaseDoctor = (terminal: Terminal, options: DatabaseOptions): Promise<ExitCode> =>
  withDatabase(terminal, options, 'expect', async (db) => {
    const { applied } = await migrationStatus(db);
    if (applied.length === 0) {
      throw new Failure(EXIT.cannotStart, 'this database holds no farm', 'Make one with `stationgrid db migrate`.');
    }
    const findings = await runDoctor(db);
    if (options.output === 'json') printJson(terminal, findings);
    else if (findings.length === 0) terminal.print('Everything holds.');
    else {
      printTable(
        terminal,
        ['INVARIANT', 'WHERE', 'WHAT IS WRONG'],
        findings.map(({ invariant, what, words }) => [invariant, what, words]),
      );
    }
    return findings.length === 0 ? EXIT.ok : EXIT.workFailed;
  });

/**
 * Connects as the owner to the database that the configuration names, or to the embedded one, which is started if it
 * does not run and left as it was found.
 * @param absent whether an embedded database that was never made is made, or is what the caller has mistaken.
 */
const withDatabase = async <T>(
  terminal: Terminal,
  options: DatabaseOptions,
  absent: 'make' | 'expect',
  use: (db: pg.Client, migrateOptions: MigrateOptions) => Promise<T>,
): Promise<T> => {
  const { databaseUrl, data } = configOf(terminal, options);
  if (databaseUrl !== null) return connected(databaseUrl, (db) => use(db, {}));
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
