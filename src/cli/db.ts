/** `stationgrid db …`. */
import { noticeRestoreAlone } from '../farm/notice-restore.ts';
import { runDoctor } from '../store/doctor.ts';
import { migrate, migrationStatus, type MigrationStatus } from '../store/migrate.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { localTime, NONE, printJson, printTable } from './print.ts';
import type { Terminal } from './terminal.ts';
import { type DatabaseOptions, withDatabase } from './with-database.ts';

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

export const databaseRestored = (terminal: Terminal, options: DatabaseOptions): Promise<ExitCode> =>
  withDatabase(terminal, options, 'expect', async (db, migrateOptions) => {
    // A backup of an older version has no place for it yet.
    await migrate(db, migrateOptions);
    const restore = await noticeRestoreAlone(db, { said: true });
    if (restore === null) throw new Error('what was said was not kept');
    if (options.output === 'json') printJson(terminal, restore);
    else {
      const { number, jobIdsSkipped, jobIdsSkippedFrom } = restore;
      terminal.print(`Kept as restore ${String(number)}. The bridge is paused; the farm may start.`);
      terminal.print(`${String(jobIdsSkipped)} numbers of jobs are skipped from ${String(jobIdsSkippedFrom)}.`);
      terminal.print('Next: `stationgrid bridge reconciliation`, for each instance.');
    }
    return EXIT.ok;
  });
