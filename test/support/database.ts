import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createPool } from '../../src/store/pool.ts';
import { inject } from 'vitest';
import { urlOf } from './test-server.ts';

/** A database of a test file's own, with the farm's schema and a clock that can be set. */
export interface FreshDatabase {
  /** As farms connect: with the application's role. */
  readonly url: string;
  /** As migrations connect. */
  readonly ownerUrl: string;
  readonly pool: pg.Pool;
  /** Stops `farm_now()` at a time for all sessions; null lets it run again. */
  readonly setNow: (at: Date | null) => Promise<void>;
  /** Ends the pool, and every other session, and removes the database. */
  readonly drop: () => Promise<void>;
}

export async function freshDatabase(): Promise<FreshDatabase> {
  const server = inject('testServer');
  if (server.broken !== null) throw new Error(`No test can have a database: ${server.broken}`);
  const database = `test_${randomBytes(8).toString('hex')}`;
  const asSuperuser = urlOf(server.url, { user: server.superuser, database: 'postgres' });
  await once(asSuperuser, `create database ${database} template ${server.template} owner ${server.ownerRole}`);
  const url = urlOf(server.url, { database });
  const pool = createPool(url);
  return {
    url,
    ownerUrl: urlOf(url, { user: server.ownerRole }),
    pool,
    setNow: async (at) => {
      await pool.query('update test_clock.farm_clock set at = $1', [at]);
    },
    drop: async () => {
      await pool.end();
      await once(asSuperuser, `drop database ${database} with (force)`);
    },
  };
}

async function once(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
