/** How many are in each state, kept as deltas in the transactions that change them: exact, and cheap whatever the backlog. */
import { asJson, type Queryable } from './transaction.ts';

export type TallyFamily = 'job';

export type Tally = {
  readonly family: TallyFamily;
  readonly instance: string;
  /** A job's station. */
  readonly label: string;
  /** A job's state. */
  readonly state: string;
  readonly n: number;
};

export const addTallies = async (db: Queryable, tallies: readonly Tally[]): Promise<void> => {
  const changes = tallies.filter((tally) => tally.n !== 0);
  if (changes.length === 0) return;
  await db.query(
    `insert into tallies (family, instance, label, state, n)
     select family, instance, label, state, n
     from jsonb_to_recordset($1::jsonb) as r(family text, instance text, label text, state text, n bigint)`,
    [asJson(changes)],
  );
};

export const readTallies = async (db: Queryable): Promise<Tally[]> => {
  const { rows } = await db.query<Tally>(
    `select family, instance, label, state, sum(n)::bigint as n from tallies
     group by family, instance, label, state order by family, instance, label, state`,
  );
  return rows;
};

/** Rows that are left alone: folding a handful costs more than reading it. */
const FOLD_AT = 256;

/** Folds the deltas into one row a key. Any replica may; the lock makes it one at a time and never waits. */
export const foldTallies = async (db: Queryable): Promise<void> => {
  await db.query(
    `with turn as (
       select pg_try_advisory_xact_lock(hashtextextended('tallies', 0)) as mine
     ), due as (
       select true from turn, (select count(*) as n from (select from tallies limit ${String(FOLD_AT + 1)}) t) c
       where turn.mine and c.n > ${String(FOLD_AT)}
     ), old as (
       delete from tallies where exists (select from due) returning family, instance, label, state, n
     )
     insert into tallies (family, instance, label, state, n)
     select family, instance, label, state, sum(n) from old group by family, instance, label, state having sum(n) <> 0`,
  );
};
