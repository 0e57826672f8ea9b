/** One transaction, retried while the database says that trying again may help. */
import type pg from 'pg';

/** Anything that runs one statement: a pool, or a connection inside a transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

export type TransactionSeams = {
  readonly pool: pg.Pool;
  readonly random: () => number;
  readonly sleep: (ms: number) => Promise<void>;
};

/** Deadlock, serialization failure, lock timeout: another transaction was in the way; the same one may pass now. */
const RETRYABLE: ReadonlySet<unknown> = new Set(['40P01', '40001', '55P03']);
const RETRIES_MAX = 3;
const RETRY_JITTER_MS = 20;

export const sqlState = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;

/**
 * Runs `work` between begin and commit. `work` may run more than once and must keep nothing from a failed run. Lock
 * order in every transaction: bot, session, job, lease, device, lane, each by id.
 */
export const inTransaction = async <T>(seams: TransactionSeams, work: (db: Queryable) => Promise<T>): Promise<T> => {
  for (let tries = 0; ; tries += 1) {
    try {
      return await once(seams.pool, work);
    } catch (error) {
      if (tries >= RETRIES_MAX || !RETRYABLE.has(sqlState(error))) throw error;
      await seams.sleep(seams.random() * RETRY_JITTER_MS * 2 ** tries);
    }
  }
};

const once = async <T>(pool: pg.Pool, work: (db: Queryable) => Promise<T>): Promise<T> => {
  const client = await pool.connect();
  let broken = false;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    // A connection that cannot roll back is not fit for the next one.
    client.release(broken);
  }
};

/** Rows as a parameter of `jsonb_to_recordset`: fixed statement text whatever the number of rows. */
export const asJson = (rows: readonly unknown[]): string => JSON.stringify(rows);
