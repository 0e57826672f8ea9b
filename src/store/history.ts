/** The days of history: which there are, how they are made and dropped (migrations 0008 and 0012). */
import { type HistoryDay, type HistoryTable, historyTables } from '../core/retention.ts';
import type { Queryable } from './transaction.ts';

export type StoredDay = HistoryDay & {
  /** Of the table and its indexes. */
  readonly bytes: number;
  /** As PostgreSQL last counted them; null: it has not. */
  readonly rows: number | null;
};

export type HistoryNow = {
  readonly today: string;
  readonly oldestOwedAt: Date | null;
  readonly oldestEnqueuedAt: Date | null;
  readonly days: readonly StoredDay[];
  /** Of the tables for what lies in no day of its own. */
  readonly strayBytes: number;
};

export const readHistory = async (db: Queryable): Promise<HistoryNow> => {
  const { rows: now } = await db.query<Pick<HistoryNow, 'today' | 'oldestOwedAt' | 'oldestEnqueuedAt'>>(
    `select to_char(farm_now() at time zone 'UTC', 'YYYY-MM-DD') as today, h.owed_at as "oldestOwedAt",
            h.enqueued_at as "oldestEnqueuedAt"
     from history_holds() h`,
  );
  const { rows: parts } = await db.query<{
    table: HistoryTable;
    day: string | null;
    bytes: number;
    rows: number | null;
  }>(
    `select i.inhparent::regclass::text as "table",
            case when c.relname ~ '_[0-9]{8}$' then to_char(to_date(right(c.relname, 8), 'YYYYMMDD'), 'YYYY-MM-DD') end as day,
            pg_total_relation_size(c.oid)::double precision as bytes,
            nullif(c.reltuples, -1)::double precision as rows
     from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = any($1::text[]::regclass[]) order by day, 1`,
    [historyTables],
  );
  const [first] = now;
  if (first === undefined) throw new Error('history_holds() returned no row');
  const others = parts.filter(({ day }) => day === null);
  return {
    ...first,
    days: parts.flatMap(({ day, ...part }) => (day === null ? [] : [{ ...part, day }])),
    strayBytes: others.reduce((sum, { bytes }) => sum + bytes, 0),
  };
};

/** Of each table, read at a time. */
const STRAY_DAYS_MAX = 32;

/** Days of rows that lie in no day of their own; of each table the oldest first. */
export const readStrays = async (db: Queryable): Promise<HistoryDay[]> => {
  const strays: HistoryDay[] = [];
  for (const table of historyTables) {
    const { rows } = await db.query<{ day: string }>(STRAY_DAYS[table], [STRAY_DAYS_MAX]);
    strays.push(...rows.map(({ day }) => ({ table, day })));
  }
  return strays;
};

/** One look into the index for each day, however many rows it has. */
const strayDaysOf = (table: HistoryTable, at: string): string => `
  with recursive strays(day) as (
    select (min(${at}) at time zone 'UTC')::date from ${table}_other
    union all
    select (select (min(o.${at}) at time zone 'UTC')::date from ${table}_other o
            where o.${at} >= (s.day + 1)::timestamp at time zone 'UTC')
    from strays s where s.day is not null)
  select to_char(day, 'YYYY-MM-DD') as day from strays where day is not null limit $1`;

const STRAY_DAYS: Readonly<Record<HistoryTable, string>> = {
  finished_jobs: strayDaysOf('finished_jobs', 'ended_at'),
  closed_leases: strayDaysOf('closed_leases', 'closed_at'),
  test_results: strayDaysOf('test_results', 'at'),
  settled_calls: strayDaysOf('settled_calls', 'settled_at'),
  ended_sends: strayDaysOf('ended_sends', 'ended_at'),
  farm_events: strayDaysOf('farm_events', 'at'),
};

/**
 * BUSY: another makes or drops a day. FULL: more lies without a day than is moved or read while completions wait; a session without
 * limits of time never hears that.
 */
export type DayMade = 'MADE' | 'THERE' | 'BUSY' | 'FULL';

/** Rows of the day that lie without one are moved into it. */
export const makeHistoryDay = async (db: Queryable, { table, day }: HistoryDay): Promise<DayMade> => {
  const { rows } = await db.query<{ made: DayMade }>('select make_history_day($1, $2::date) as made', [table, day]);
  const [row] = rows;
  if (row === undefined) throw new Error('make_history_day() returned no row');
  return row.made;
};

/** Counts some of a day that is over, and keeps the count. How many blocks are left; null: another makes or drops a day. */
export const countHistoryDay = async (db: Queryable, { table, day }: HistoryDay): Promise<number | null> => {
  const { rows } = await db.query<{ blocks: number | null }>(
    'select count_history_day($1, $2::date)::double precision as blocks',
    [table, day],
  );
  return rows[0]?.blocks ?? null;
};

/** Counts what is left of it. How many rows went with it; null: another makes or drops a day, or something holds this one after all. */
export const dropHistoryDay = async (db: Queryable, { table, day }: HistoryDay): Promise<number | null> => {
  const { rows } = await db.query<{ rows: number | null }>(
    'select drop_history_day($1, $2::date)::double precision as rows',
    [table, day],
  );
  return rows[0]?.rows ?? null;
};

/** Deletes some of what lies without a day and is older than `before`; returns how many. They count as dropped. */
export const deleteStrays = async (
  db: Queryable,
  table: HistoryTable,
  { before, limit }: { readonly before: Date; readonly limit: number },
): Promise<number> => {
  const { rows } = await db.query<{ n: number }>(DELETE_STRAYS[table], [before, limit]);
  return rows[0]?.n ?? 0;
};

/** `of`: the expression for the job of a row. */
const deletionOf = (table: HistoryTable, at: string, of: string): string => `
  with gone as (
    delete from ${table}_other
    where ctid = any(array(select ctid from ${table}_other where ${at} < $1 limit $2))
    returning *
  ), counted as (
    insert into dropped_days (history, day, rows, last_job_id)
    select '${table}', (${at} at time zone 'UTC')::date as day, count(*), max(${of}) from gone group by 2 order by 2
    on conflict (history, day) do update
      set rows = dropped_days.rows + excluded.rows, last_job_id = greatest(dropped_days.last_job_id, excluded.last_job_id),
          dropped_at = excluded.dropped_at)`;
const counted = 'select count(*)::double precision as n from gone';

const DELETE_STRAYS: Readonly<Record<HistoryTable, string>> = {
  finished_jobs: `${deletionOf('finished_jobs', 'ended_at', 'id')}, tallied as (
    insert into tallies (family, instance, label, state, n)
    select f.family, g.instance, g.station, g.state, f.sign * count(*)
    from gone g cross join (values ('job', -1), ('dropped', 1)) f(family, sign)
    group by f.family, f.sign, g.instance, g.station, g.state)
  ${counted}`,
  closed_leases: `${deletionOf('closed_leases', 'closed_at', 'job_id')} ${counted}`,
  test_results: `${deletionOf('test_results', 'at', 'job_id')} ${counted}`,
  settled_calls: `${deletionOf('settled_calls', 'settled_at', 'job_id')} ${counted}`,
  ended_sends: `${deletionOf('ended_sends', 'ended_at', 'null::bigint')} ${counted}`,
  farm_events: `${deletionOf('farm_events', 'at', 'job_id')} ${counted}`,
};
