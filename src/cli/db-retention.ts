/** `stationgrid db retention`. */
import { type DayStanding, firstKeptDay, type Retention, standingOfDay } from '../core/retention.ts';
import { type HistoryKeeper, type HistoryKept, keepHistory, retentionOf } from '../farm/keep-history.ts';
import { type HistoryNow, readHistory, type StoredDay } from '../store/history.ts';
import type { Queryable } from '../store/transaction.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { NONE, printJson, printTable } from './print.ts';
import { configOf } from './settings.ts';
import type { Terminal } from './terminal.ts';
import { type DatabaseOptions, withDatabase } from './with-database.ts';

export const databaseRetention = (
  terminal: Terminal,
  options: DatabaseOptions & { readonly apply?: true },
): Promise<ExitCode> =>
  withDatabase(terminal, options, 'expect', async (db) => {
    const { limits } = configOf(terminal, options);
    const keeper: HistoryKeeper = { limits, transact: (work) => between(db, work) };
    const kept = options.apply === true ? await keepHistory(keeper) : null;
    const now = await readHistory(db);
    const retention = retentionOf(limits, now);
    if (options.output === 'json') printJson(terminal, { ...answerOf(now, retention), applied: kept });
    else printDays(terminal, now, retention, kept);
    return kept === null || kept.left.length === 0 ? EXIT.ok : EXIT.workFailed;
  });

/** The session is the owner's, without limits of time. */
const between = async <T>(db: Queryable, work: (db: Queryable) => Promise<T>): Promise<T> => {
  await db.query('begin');
  try {
    const result = await work(db);
    await db.query('commit');
    return result;
  } catch (error) {
    await db.query('rollback').catch(() => undefined);
    throw error;
  }
};

type DayRow = {
  readonly day: string;
  /** As PostgreSQL last counted them; null: it has not, or the day's jobs are gone. */
  readonly jobs: number | null;
  readonly bytes: number;
  readonly stands: DayStanding;
  readonly tables: readonly string[];
};

/** Of what lies in one day the word that counts is the one that is nearest to its end. */
const ORDER: readonly DayStanding[] = ['DUE', 'OWED', 'JOB_LEFT', 'KEPT', 'AHEAD'];

const rowsOf = (days: readonly StoredDay[], retention: Retention): DayRow[] => {
  const byDay = Map.groupBy(days, ({ day }) => day);
  return [...byDay].map(([day, parts]) => {
    const standings = new Set(parts.map((part) => standingOfDay(retention, part)));
    return {
      day,
      jobs: parts.find(({ table }) => table === 'finished_jobs')?.rows ?? null,
      bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
      stands: ORDER.find((standing) => standings.has(standing)) ?? 'KEPT',
      tables: parts.map(({ table }) => `${table}_${day.replaceAll('-', '')}`),
    };
  });
};

const answerOf = (now: HistoryNow, retention: Retention) => ({
  keepDays: retention.keepDays,
  firstKeptDay: firstKeptDay(retention),
  oldestOwedAt: now.oldestOwedAt,
  oldestEnqueuedAt: now.oldestEnqueuedAt,
  bytesInNoDay: now.strayBytes,
  days: rowsOf(now.days, retention),
});

const printDays = (terminal: Terminal, now: HistoryNow, retention: Retention, kept: HistoryKept | null): void => {
  const words = wordsOf(now);
  printTable(
    terminal,
    ['DAY', 'JOBS', 'SIZE', 'STANDS'],
    rowsOf(now.days, retention).map(({ day, jobs, bytes, stands }) => [
      day,
      jobs === null ? NONE : `~${String(jobs)}`,
      sizeText(bytes),
      words[stands],
    ]),
  );
  terminal.print('');
  terminal.print(`Kept: ${String(retention.keepDays)} days, from ${firstKeptDay(retention)} on.`);
  if (kept === null) return;
  const { made, dropped, deleted, left } = kept;
  terminal.print(
    `Made ${String(made.length)} partitions, dropped ${String(dropped.length)}, deleted ${String(deleted)} rows that lay in none.`,
  );
  for (const { table, day, why } of left) terminal.print(`Left: ${table} of ${day}: ${why}.`);
};

const wordsOf = ({ oldestOwedAt, oldestEnqueuedAt }: HistoryNow): Readonly<Record<DayStanding, string>> => ({
  DUE: 'dropped next',
  KEPT: 'kept',
  OWED: `held: a shopfloor call of ${dayOf(oldestOwedAt)} is not settled`,
  JOB_LEFT: `held: a job of ${dayOf(oldestEnqueuedAt)} is left`,
  AHEAD: 'made ahead',
});

const dayOf = (time: Date | null): string => time?.toISOString().slice(0, 10) ?? NONE;

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

const sizeText = (bytes: number): string => {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power] ?? ''}`;
};
