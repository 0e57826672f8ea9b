/** Makes the days of history ahead, and drops those that are past their time: in short transactions, one a day of a table. */
import type { Limits } from '../core/limits.ts';
import {
  daysToDrop,
  daysToMake,
  type HistoryDay,
  historyTables,
  keptDays,
  type Retention,
  straysBefore,
} from '../core/retention.ts';
import { deleteStrays, dropHistoryDay, type HistoryNow, makeHistoryDay, readHistory } from '../store/history.ts';
import { isOutage } from '../store/outage.ts';
import type { Queryable } from '../store/transaction.ts';

export type HistoryKeeper = {
  readonly limits: Pick<Limits, 'history' | 'jobs'>;
  /** Runs its work between begin and commit, on a connection of the farm's role or of the owner's. */
  readonly transact: <T>(work: (db: Queryable) => Promise<T>) => Promise<T>;
  /** Ends the round before its next transaction. */
  readonly signal?: AbortSignal;
};

export type HistoryKept = {
  readonly made: readonly HistoryDay[];
  readonly dropped: readonly (HistoryDay & { readonly rows: number })[];
  /** Rows that lay in no day of their own and were past their time. */
  readonly deleted: number;
  /** What could not be done now, and why; the next round tries again. */
  readonly left: readonly (HistoryDay & { readonly why: string })[];
};

/**
 * Any replica may, at any time: what another does meanwhile is left to it. Bounded: so many days, and so many statements of
 * deleting, a round. Jobs go first: what belongs to them stays for as long as an older job is left.
 * @throws only what would stop every other statement as well.
 */
export const keepHistory = async (keeper: HistoryKeeper): Promise<HistoryKept> => {
  const made: HistoryDay[] = [];
  const dropped: (HistoryDay & { rows: number })[] = [];
  const left: (HistoryDay & { why: string })[] = [];
  const attempt = async <T>(day: HistoryDay, work: (db: Queryable) => Promise<T>): Promise<T | null> => {
    if (keeper.signal?.aborted === true) return null;
    try {
      return await keeper.transact(work);
    } catch (error) {
      if (isOutage(error)) throw error;
      left.push({ ...day, why: error instanceof Error ? error.message : String(error) });
      return null;
    }
  };
  const make = async (day: HistoryDay): Promise<void> => {
    const end = await attempt(day, (db) => makeHistoryDay(db, day));
    if (end === 'MADE') made.push(day);
    else if (end === 'BUSY' || end === 'FULL') left.push({ ...day, why: unmade[end] });
  };
  const drop = async (day: HistoryDay): Promise<void> => {
    const rows = await attempt(day, async (db) => ({ n: await dropHistoryDay(db, day) }));
    if (rows === null) return;
    if (rows.n === null) left.push({ ...day, why: 'another replica is at work, or something of then came to be owed' });
    else dropped.push({ ...day, rows: rows.n });
  };
  const read = async (): Promise<Retention> => retentionOf(keeper.limits, await keeper.transact(readHistory));
  const { dropsMax } = keeper.limits.history;
  let retention = await read();
  for (const day of daysToMake(retention)) await make(day);
  for (const day of daysToDrop(retention, isOfJobs).slice(0, dropsMax)) await drop(day);
  const deletedJobs = await clear(keeper, retention, ['finished_jobs']);
  retention = await read();
  for (const day of daysToDrop(retention, isOfFacts).slice(0, dropsMax)) await drop(day);
  const deletedFacts = await clear(keeper, retention, historyTables.filter(isOfFacts));
  return { made, dropped, deleted: deletedJobs + deletedFacts, left };
};

const isOfJobs = (table: HistoryDay['table']): boolean => table === 'finished_jobs';
const isOfFacts = (table: HistoryDay['table']): boolean => !isOfJobs(table);

const unmade = {
  BUSY: 'another replica makes or drops a day',
  FULL: 'too much has ended on that day without it; it stays where it is',
} as const;

/** As a person would want to see it, too. */
export const retentionOf = (limits: HistoryKeeper['limits'], now: HistoryNow): Retention => ({
  ...now,
  keepDays: keptDays(limits.history.keepDays, limits.jobs.enqueueRememberedMs),
  aheadDays: limits.history.aheadDays,
});

const clear = async (
  keeper: HistoryKeeper,
  retention: Retention,
  tables: readonly HistoryDay['table'][],
): Promise<number> => {
  const { strayRowsMax: limit, dropsMax } = keeper.limits.history;
  let deleted = 0;
  for (const table of tables) {
    const before = straysBefore(retention, table);
    if (!retention.strays.some((stray) => stray.table === table && stray.day <= dayOf(before))) continue;
    for (let statements = 0; statements < dropsMax && keeper.signal?.aborted !== true; statements += 1) {
      const n = await keeper.transact((db) => deleteStrays(db, table, { before, limit }));
      deleted += n;
      if (n < limit) break;
    }
  }
  return deleted;
};

const dayOf = (time: Date): string => time.toISOString().slice(0, 10);
