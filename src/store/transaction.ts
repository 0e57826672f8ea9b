/** One transaction, retried while the database says that trying again may help. */
import type pg from 'pg';

/** Anything that runs one statement: a pool, or a connection inside a transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

export type TransactionSeams = {
  readonly pool: pg.Pool;
  readonly random: () => number;
  readonly sleep: (ms: number) => Promise<void>;
};

/**
 * Serialization failure: what was waited for has moved, as a job does that ends, from the hot table to the day of its end. It is in
 * nobody's way any more, and the same transaction finds it there: it is tried again at once.
 */
const MOVED = '40001';
/** Deadlock, lock timeout: another transaction was in the way; the same one may pass soon. */
const LOCK_TROUBLE = ['40P01', '55P03'];
/** A table has changed under a prepared statement, or the server has forgotten it: on another connection it is there. */
const STALE_PLANS: ReadonlySet<unknown> = new Set(['0A000', '26000']);
/**
 * A check that has no name is that of a partition: the day of history to which a row belongs was made while the row was on its way
 * to the table for what has no day. Asked again, the row finds its day.
 */
const CHECK_VIOLATION = '23514';
const AT_ONCE: ReadonlySet<unknown> = new Set([MOVED, CHECK_VIOLATION]);
const RETRYABLE: ReadonlySet<unknown> = new Set([MOVED, ...LOCK_TROUBLE, ...STALE_PLANS]);
const RETRIES_MAX = 3;
const RETRY_JITTER_MS = 20;

/**
 * The farm asks the same few questions over and over, with ids and arrays of ids: one plan each is as good as a new one
 * for every asking, and making a plan takes longer than most of them do. Pages that people filter are read outside.
 */
export const BEGIN = 'begin; set local plan_cache_mode = force_generic_plan';

const hasMissedItsDay = (error: unknown): boolean =>
  sqlState(error) === CHECK_VIOLATION &&
  error instanceof Error &&
  !('constraint' in error && error.constraint !== undefined);

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
      const state = sqlState(error);
      if (tries >= RETRIES_MAX || !(RETRYABLE.has(state) || hasMissedItsDay(error))) throw error;
      if (!AT_ONCE.has(state)) await seams.sleep(seams.random() * RETRY_JITTER_MS * 2 ** tries);
    }
  }
};

const once = async <T>(pool: pg.Pool, work: (db: Queryable) => Promise<T>): Promise<T> => {
  const client = await pool.connect();
  const inside = between(client);
  let broken = false;
  try {
    await client.query(BEGIN);
    const result = await work(inside.db);
    await inside.end();
    const failure = inside.firstFailure();
    // Nobody looked. PostgreSQL would answer the commit, and have rolled back.
    if (failure !== null) throw failure;
    await client.query('commit');
    return result;
  } catch (error) {
    await inside.end();
    const cause = inside.firstFailure() ?? error;
    await client.query('rollback').catch(() => {
      broken = true;
    });
    // Its prepared statements are not what the server has any more.
    if (STALE_PLANS.has(sqlState(cause))) broken = true;
    throw cause;
  } finally {
    // A connection that cannot roll back is not fit for the next one.
    client.release(broken);
  }
};

/**
 * What a transaction is given of its connection. Statements are answered in the order in which they were asked, so the end
 * waits for the last; what a branch of the work that did not hear of a failure asks after it would run outside. And the first
 * that fails is the cause: of those behind it the server says only that the transaction is aborted, and whoever asked
 * several at once may hear of that first.
 */
const between = (client: pg.ClientBase): Inside => {
  let isOver = false;
  let last: Promise<unknown> = Promise.resolve();
  let failure: Error | null = null;
  const query = (text: string, values?: unknown[]): Promise<unknown> => {
    if (isOver) return Promise.reject(new Error('a statement was asked of a transaction that was over'));
    const answer = values === undefined ? client.query(text) : client.query(text, values);
    last = answer.catch((error: unknown) => {
      failure ??= toError(error);
    });
    return answer;
  };
  return {
    db: toQueryable(query),
    end: async () => {
      isOver = true;
      await last;
    },
    firstFailure: () => failure,
  };
};

type Inside = {
  readonly db: Queryable;
  /** Resolves when nothing is asked any more and all was answered. */
  readonly end: () => Promise<void>;
  /** Of its statements; null: none has failed. */
  readonly firstFailure: () => Error | null;
};

const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** The store asks in this one of pg's ways. */
function toQueryable(query: (text: string, values?: unknown[]) => Promise<unknown>): Queryable {
  return { query } as unknown as Queryable;
}

/** Rows as a parameter of `jsonb_to_recordset`: fixed statement text whatever the number of rows. */
export const asJson = (rows: readonly unknown[]): string => JSON.stringify(rows);
