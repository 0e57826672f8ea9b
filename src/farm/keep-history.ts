/** Makes the days of history ahead, and drops those that are past their time: in short transactions, one a day of a table. */
import type { Limits } from '../core/limits.ts';
import {
  daysAhead,
  daysMissed,
  daysToDrop,
  type HistoryDay,
  keptDays,
  type Retention,
  straysBefore,
} from '../core/retention.ts';
import {
  countHistoryDay,
  deleteStrays,
  dropHistoryDay,
  type HistoryNow,
  makeHistoryDay,
  readHistory,
  readStrays,
} from '../store/history.ts';
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
 * Any replica may, at any time: what another does meanwhile is left to it. Every statement has an end, however much has gathered:
 * so many days, and so many statements of deleting, a round; a day is counted in bites before it is dropped. Today and the days
 * ahead come before all else, so that nothing more goes astray. Jobs are dropped first: what belongs to them stays for as long as an
 * older job is left.
 * @throws only what would stop every other statement as well.
 */
export const keepHistory = async (keeper: HistoryKeeper): Promise<HistoryKept> => {
  const round = openRound(keeper);
  const read = async (): Promise<Retention> => retentionOf(keeper.limits, await keeper.transact(readHistory));
  const { dropsMax } = keeper.limits.history;
  for (const day of daysAhead(await read())) await round.make(day);
  const strays = await keeper.transact(readStrays);
  for (const day of daysMissed(await read(), strays)) await round.make(day);
  let deleted = 0;
  for (const isWanted of [isOfJobs, isOfFacts]) {
    const retention = await read();
    for (const day of daysToDrop(retention, isWanted).slice(0, dropsMax)) await round.drop(day);
    deleted += await clear(
      keeper,
      retention,
      strays.filter(({ table }) => isWanted(table)),
    );
  }
  return { made: round.made, dropped: round.dropped, deleted, left: round.left };
};

const openRound = (keeper: HistoryKeeper) => {
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
  /** False: it is not done, and why is told. What was counted stays so. */
  const count = async (day: HistoryDay): Promise<boolean> => {
    for (;;) {
      const bite = await attempt(day, async (db) => ({ left: await countHistoryDay(db, day) }));
      if (bite === null) return false;
      if (bite.left === 0) return true;
      if (bite.left === null) {
        left.push({ ...day, why: unmade.BUSY });
        return false;
      }
    }
  };
  const drop = async (day: HistoryDay): Promise<void> => {
    if (!(await count(day))) return;
    const rows = await attempt(day, async (db) => ({ n: await dropHistoryDay(db, day) }));
    if (rows === null) return;
    if (rows.n === null) left.push({ ...day, why: 'another replica is at work, or something of then came to be owed' });
    else dropped.push({ ...day, rows: rows.n });
  };
  return { made, dropped, left, make, drop };
};

const isOfJobs = (table: HistoryDay['table']): boolean => table === 'finished_jobs';
const isOfFacts = (table: HistoryDay['table']): boolean => !isOfJobs(table);

const unmade = {
  BUSY: 'another replica makes or drops a day',
  FULL: 'too much has ended without a day; stationgrid db retention --apply makes it, while completions wait',
} as const;

/** As a person would want to see it, too. */
export const retentionOf = (limits: HistoryKeeper['limits'], now: HistoryNow): Retention => ({
  ...now,
  keepDays: keptDays(limits.history.keepDays, limits.jobs.enqueueRememberedMs),
  aheadDays: limits.history.aheadDays,
});

const clear = async (keeper: HistoryKeeper, retention: Retention, strays: readonly HistoryDay[]): Promise<number> => {
  const { strayRowsMax: limit, dropsMax } = keeper.limits.history;
  let deleted = 0;
  for (const table of new Set(strays.map((stray) => stray.table))) {
    const before = straysBefore(retention, table);
    if (!strays.some((stray) => stray.table === table && stray.day <= dayOf(before))) continue;
    for (let statements = 0; statements < dropsMax && keeper.signal?.aborted !== true; statements += 1) {
      const n = await keeper.transact((db) => deleteStrays(db, table, { before, limit }));
      deleted += n;
      if (n < limit) break;
    }
  }
  return deleted;
};

const dayOf = (time: Date): string => time.toISOString().slice(0, 10);
