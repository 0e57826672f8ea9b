import pg from 'pg';
import { expect, it } from 'vitest';
import { freshDatabase, type FreshDatabase } from './database.ts';

const oid = async ({ pool }: FreshDatabase): Promise<unknown> => {
  const { rows } = await pool.query('select oid from pg_database where datname = current_database()');
  return rows;
};

it('what a test has left running finds its database no longer, though the next test has it', async () => {
  const first = await freshDatabase();
  const before = await oid(first);
  const left = new pg.Client(first.url);
  left.on('error', () => undefined);
  await left.connect();
  await first.drop();
  await expect(left.query('select 1')).rejects.toThrow();
  const second = await freshDatabase();
  try {
    expect(await oid(second)).toEqual(before);
    await expect(new pg.Client(first.url).connect()).rejects.toThrow('does not exist');
    const { rows } = await second.pool.query(`select from pg_stat_activity where usename = current_user
      and datname = current_database() and pid <> pg_backend_pid()`);
    expect(rows).toEqual([]);
  } finally {
    await second.drop();
  }
});
