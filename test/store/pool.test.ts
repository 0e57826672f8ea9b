import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type pg from 'pg';
import { inTransaction, type Queryable } from '../../src/store/transaction.ts';
import { checkServer, createPool, POOL_LIMITS } from '../../src/store/pool.ts';
import { freshDatabase } from '../support/database.ts';
import type { FreshDatabase } from '../support/database.ts';

describe('the pool', () => {
  let database: FreshDatabase;
  let pool: pg.Pool;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterEach(() => pool.end());
  afterAll(() => database.drop());

  it('gives every session the limits of the design', async () => {
    pool = createPool(database.url);
    const { rows } = await pool.query(
      `select name, setting::integer from pg_settings
       where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout') order by name`,
    );
    expect(rows).toEqual([
      { name: 'idle_in_transaction_session_timeout', setting: 10_000 },
      { name: 'lock_timeout', setting: 1_000 },
      { name: 'statement_timeout', setting: 5_000 },
    ]);
    expect(pool.options).toMatchObject({ max: 16, connectionTimeoutMillis: 2_000 });
  });

  it('says itself how plans are made, whatever the server is set to', async () => {
    pool = createPool(database.url);
    const { rows } = await pool.query(
      `select name, setting, source from pg_settings where name in ('enable_seqscan', 'jit') order by name`,
    );
    expect(rows).toEqual([
      { name: 'enable_seqscan', setting: 'off', source: 'client' },
      { name: 'jit', setting: 'off', source: 'client' },
    ]);
  });

  it('ends a statement that runs too long', async () => {
    pool = createPool(database.url, { ...POOL_LIMITS, statementMs: 50 });
    await expect(pool.query('select pg_sleep(30)')).rejects.toThrow('statement timeout');
  });

  it('survives a connection that breaks between two statements of a transaction', async () => {
    const lost: Error[] = [];
    pool = createPool(database.url, POOL_LIMITS, (error) => lost.push(error));
    const client = await pool.connect();
    await client.query('begin');
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const ended = new Promise((resolve) => client.once('end', () => resolve(undefined)));
    await database.pool.query('select pg_terminate_backend($1)', [rows[0]!.pid]);
    await ended;
    client.release(true);
    expect(lost.map(({ message }) => message)).toContain('terminating connection due to administrator command');
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  it('prepares what has parameters, once a connection', async () => {
    pool = createPool(database.url, { ...POOL_LIMITS, connectionsMax: 1 });
    for (const n of [1, 2, 3]) await pool.query('select $1::integer as n', [n]);
    const { rows } = await pool.query('select statement from pg_prepared_statements');
    expect(rows).toEqual([{ statement: 'select $1::integer as n' }]);
  });

  it('takes several statements at once, in the order in which they were asked', async () => {
    pool = createPool(database.url, { ...POOL_LIMITS, connectionsMax: 1 });
    const client = await pool.connect();
    await client.query('create temporary table steps (n integer)');
    const [, , counted] = await Promise.all([
      client.query('insert into steps values ($1)', [1]),
      client.query('insert into steps values ($1)', [2]),
      client.query('select array_agg(n) as steps from steps where n > $1', [0]),
    ]);
    client.release();
    expect(counted.rows).toEqual([{ steps: [1, 2] }]);
  });

  it('fails with the statement that failed, however deep it was asked', async () => {
    pool = createPool(database.url);
    const deep = async (db: Queryable): Promise<void> => {
      const inner = async (): Promise<void> => {
        await Promise.all([db.query('select 1 / $1::integer', [0])]);
      };
      await Promise.all([inner()]);
    };
    const writing = inTransaction({ pool, random: () => 0, sleep: () => Promise.resolve() }, (db) =>
      Promise.all([deep(db), db.query('select $1::integer', [1]), db.query('select $1::integer', [2])]),
    );
    await expect(writing).rejects.toMatchObject({ code: '22012' });
  });

  it('fails with the statement that failed, and keeps nothing of those asked with it', async () => {
    pool = createPool(database.url);
    const writing = inTransaction({ pool, random: () => 0, sleep: () => Promise.resolve() }, (db) =>
      Promise.all([
        db.query('insert into drains (instance, pattern, note) values ($1, $2, $3)', ['line-1', 'a', 'first']),
        db.query('select 1 / $1::integer', [0]),
        db.query('insert into drains (instance, pattern, note) values ($1, $2, $3)', ['line-1', 'b', 'third']),
      ]),
    );
    await expect(writing).rejects.toMatchObject({ code: '22012' });
    expect((await pool.query('select pattern from drains')).rows).toEqual([]);
  });

  it('takes no rollback for a commit', async () => {
    pool = createPool(database.url);
    const careless = inTransaction({ pool, random: () => 0, sleep: () => Promise.resolve() }, async (db) => {
      await db.query('select 1 / $1::integer', [0]).catch(() => undefined);
    });
    await expect(careless).rejects.toMatchObject({ code: '22012' });
  });

  it('lets no branch of a transaction that has failed go on', async () => {
    pool = createPool(database.url);
    const stepped = Promise.withResolvers<unknown>();
    const work = async (db: Queryable): Promise<void> => {
      const first = db.query('select $1::integer', [1]);
      const branch = async (): Promise<void> => {
        await first;
        // By then the other one has failed, and the work with it.
        await writing.catch(() => undefined);
        await db.query('insert into drains (instance, pattern, note) values ($1, $2, $3)', ['line-1', 'late', 'x']);
      };
      stepped.resolve(branch().catch((error: unknown) => String(error)));
      await Promise.all([first, db.query('select 1 / $1::integer', [0])]);
    };
    const writing = inTransaction({ pool, random: () => 0, sleep: () => Promise.resolve() }, work);
    await expect(writing).rejects.toMatchObject({ code: '22012' });
    expect(await stepped.promise).toContain('a transaction that was over');
    expect((await pool.query('select pattern from drains')).rows).toEqual([]);
  });

  it('refuses a server that may forget what it acknowledged', async () => {
    pool = createPool(database.url);
    // The run's server is such a one: speed is all that tests want of it.
    await expect(checkServer(pool)).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining('fsync = off'),
    });
  });
});
