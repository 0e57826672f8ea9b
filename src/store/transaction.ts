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
  const inside = between(client);
  let broken = false;
  try {
    await client.query('begin');
    const result = await work(inside.db);
    await inside.end();
    const { command } = await client.query('commit');
    // So PostgreSQL answers when a statement had failed, and nobody looked.
    if (command === 'ROLLBACK') throw new Error('a transaction was committed after a statement of it had failed');
    return result;
  } catch (error) {
    await inside.end();
    await client.query('rollback').catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    // A connection that cannot roll back is not fit for the next one.
    client.release(broken);
  }
};

/**
 * What a transaction is given of its connection. Statements are answered in the order in which they were asked, so the end
 * waits for the last; what a branch of the work that did not hear of a failure asks after it would run outside.
 */
const between = (client: pg.ClientBase): { readonly db: Queryable; readonly end: () => Promise<void> } => {
  let isOver = false;
  let last: Promise<unknown> = Promise.resolve();
  const query = (text: string, values?: unknown[]): Promise<unknown> => {
    if (isOver) return Promise.reject(new Error('a statement was asked of a transaction that was over'));
    last = values === undefined ? client.query(text) : client.query(text, values);
    return last;
  };
  return {
    db: toQueryable(query),
    end: async () => {
      isOver = true;
      await last.catch(() => undefined);
    },
  };
};

/** The store asks in this one of pg's ways. */
function toQueryable(query: (text: string, values?: unknown[]) => Promise<unknown>): Queryable {
  return { query } as unknown as Queryable;
}

/** Rows as a parameter of `jsonb_to_recordset`: fixed statement text whatever the number of rows. */
export const asJson = (rows: readonly unknown[]): string => JSON.stringify(rows);
