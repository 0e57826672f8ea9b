/** Standing orders to give matching bots no new work. One that has run out no longer counts, and goes with the next write. */
import type { Queryable } from './transaction.ts';

export type DrainRow = {
  readonly instance: string;
  readonly pattern: string;
  readonly note: string;
  readonly createdAt: Date;
  /** Null: until it is ended. */
  readonly expiresAt: Date | null;
};

const COLUMNS = 'instance, pattern, note, created_at as "createdAt", expires_at as "expiresAt"';

/** Those in force, oldest first. Instance null: of all instances. */
export const readDrains = async (db: Queryable, instance: string | null): Promise<DrainRow[]> => {
  const { rows } = await db.query<DrainRow>(
    `select ${COLUMNS} from drains
     where ($1::text is null or instance = $1) and (expires_at is null or expires_at > farm_now())
     order by instance, created_at, pattern`,
    [instance],
  );
  return rows;
};

/** Orders the drains of an instance, so that counting them and adding one are one step. */
export const lockDrains = async (db: Queryable, instance: string): Promise<void> => {
  await db.query(`select pg_advisory_xact_lock(hashtextextended('drains:' || $1, 0))`, [instance]);
};

export const deleteExpiredDrains = async (db: Queryable, instance: string): Promise<void> => {
  await db.query('delete from drains where instance = $1 and expires_at <= farm_now()', [instance]);
};

/** A pattern that is drained already gets the new note and expiry. */
export const putDrain = async (
  db: Queryable,
  drain: {
    readonly instance: string;
    readonly pattern: string;
    readonly note: string;
    readonly expiresInMs: number | null;
  },
): Promise<DrainRow> => {
  const { rows } = await db.query<DrainRow>(
    `insert into drains (instance, pattern, note, expires_at)
     values ($1, $2, $3, farm_now() + $4::bigint * interval '1 millisecond')
     on conflict (instance, pattern) do update set note = excluded.note, expires_at = excluded.expires_at
     returning ${COLUMNS}`,
    [drain.instance, drain.pattern, drain.note, drain.expiresInMs],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('insert returned no row');
  return row;
};

/** False: there was none in force. */
export const deleteDrain = async (db: Queryable, instance: string, pattern: string): Promise<boolean> => {
  const { rows } = await db.query<{ inForce: boolean }>(
    `delete from drains where instance = $1 and pattern = $2
     returning (expires_at is null or expires_at > farm_now()) as "inForce"`,
    [instance, pattern],
  );
  return rows.some((row) => row.inForce);
};
