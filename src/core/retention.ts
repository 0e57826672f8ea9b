/** Which days of history are made, which are dropped, and why the others stay. Pure. Days are in UTC, written `2026-11-22`. */

/** The tables of history, each a partition a day. What belongs to jobs stays as long as a job that it may belong to. */
export const historyTables = [
  'finished_jobs',
  'closed_leases',
  'test_results',
  'settled_calls',
  'ended_sends',
  'farm_events',
] as const;
export type HistoryTable = (typeof historyTables)[number];

/** A partition that is there. */
export type HistoryDay = { readonly table: HistoryTable; readonly day: string };

export type Retention = {
  readonly today: string;
  /** Whole days that are kept, today not counted. */
  readonly keepDays: number;
  readonly aheadDays: number;
  readonly days: readonly HistoryDay[];
  /** The oldest call that is not settled; null: all are. */
  readonly oldestOwedAt: Date | null;
  /** When the oldest job that is left was enqueued; null: there is none. */
  readonly oldestEnqueuedAt: Date | null;
};

/** DUE: dropped next. KEPT: not old enough. OWED: calls of then are owed yet. JOB_LEFT: a job of then is left. AHEAD: to come. */
export type DayStanding = 'DUE' | 'KEPT' | 'OWED' | 'JOB_LEFT' | 'AHEAD';

export const standingOfDay = (retention: Retention, { table, day }: HistoryDay): DayStanding => {
  if (day > retention.today) return 'AHEAD';
  if (day >= firstKeptDay(retention)) return 'KEPT';
  if (table === 'finished_jobs') return isHeldBy(retention.oldestOwedAt, day) ? 'OWED' : 'DUE';
  return isHeldBy(retention.oldestEnqueuedAt, day) ? 'JOB_LEFT' : 'DUE';
};

/** Something of that day or of an earlier one is not done. */
const isHeldBy = (oldest: Date | null, day: string): boolean => oldest !== null && oldest < startOf(addDays(day, 1));

/** Days before it are dropped, if nothing holds them. */
export const firstKeptDay = ({ today, keepDays }: Pick<Retention, 'today' | 'keepDays'>): string =>
  addDays(today, -keepDays);

/** What lies in no day of its own is deleted if it is older than this. */
export const straysBefore = (retention: Retention, table: HistoryTable): Date => {
  const holds = table === 'finished_jobs' ? retention.oldestOwedAt : retention.oldestEnqueuedAt;
  const kept = startOf(firstKeptDay(retention));
  return holds !== null && holds < kept ? holds : kept;
};

/** Today and the days ahead that are not there. In order. */
export const daysAhead = (retention: Retention): HistoryDay[] => {
  const ahead = Array.from({ length: retention.aheadDays + 1 }, (_, n) => addDays(retention.today, n));
  return without(
    retention.days,
    ahead.flatMap((day) => historyTables.map((table) => ({ table, day }))),
  );
};

/** Days of the past that nobody made, and that are kept. @param strays days of rows that lie in no partition of their own. */
export const daysMissed = (retention: Retention, strays: readonly HistoryDay[]): HistoryDay[] =>
  without(
    retention.days,
    strays.filter(({ day }) => day >= firstKeptDay(retention) && day < retention.today),
  );

const without = (there: readonly HistoryDay[], wanted: readonly HistoryDay[]): HistoryDay[] => {
  const known = new Set(there.map(keyOf));
  return wanted.filter((day) => !known.has(keyOf(day)));
};

/** The oldest first. */
export const daysToDrop = (retention: Retention, isWanted: (table: HistoryTable) => boolean): HistoryDay[] =>
  retention.days
    .filter((day) => isWanted(day.table) && standingOfDay(retention, day) === 'DUE')
    .sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0));

const keyOf = ({ table, day }: HistoryDay): string => `${table} ${day}`;

const DAY_MS = 86_400_000;

export const startOf = (day: string): Date => new Date(`${day}T00:00:00Z`);

/** PostgreSQL and Date agree on days of so many years and no more. */
const DAYS_BACK_MAX = 365_000;

export const addDays = (day: string, n: number): string =>
  new Date(startOf(day).getTime() + Math.max(n, -DAYS_BACK_MAX) * DAY_MS).toISOString().slice(0, 10);

/** Requests of finished jobs are answered with the job for as long as they are remembered. */
export const keptDays = (keepDays: number, rememberedMs: number): number =>
  Math.max(keepDays, Math.ceil(rememberedMs / DAY_MS));
