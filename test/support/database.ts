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
  /** As it is now, in another database, as a restored backup would be. Ends the sessions of this one. */
  readonly copy: () => Promise<FreshDatabase>;
  /** Ends the pool, and every other session, and removes the database. */
  readonly drop: () => Promise<void>;
}

export function freshDatabase(): Promise<FreshDatabase> {
  const server = inject('testServer');
  if (server.broken !== null) throw new Error(`No test can have a database: ${server.broken}`);
  return databaseLike(server.template);
}

async function databaseLike(template: string): Promise<FreshDatabase> {
  const server = inject('testServer');
  const database = `test_${randomBytes(8).toString('hex')}`;
  const asSuperuser = urlOf(server.url, { user: server.superuser, database: 'postgres' });
  await once(asSuperuser, `create database ${database} template ${template} owner ${server.ownerRole}`);
  const url = urlOf(server.url, { database });
  const pool = createPool(url);
  return {
    url,
    ownerUrl: urlOf(url, { user: server.ownerRole }),
    pool,
    setNow: async (at) => {
      await pool.query('update test_clock.farm_clock set at = $1', [at]);
    },
    copy: async () => {
      await once(
        asSuperuser,
        `select pg_terminate_backend(pid, 30000) from pg_stat_activity where datname = '${database}'`,
      );
      return databaseLike(database);
    },
    drop: async () => {
      await pool.end();
      await once(asSuperuser, `drop database ${database} with (force)`);
    },
  };
}

/** A database in which nothing was made yet, for those who migrate. */
export interface EmptyDatabase {
  /** As migrations connect. */
  readonly ownerUrl: string;
  /** A session of the owner; `drop` ends it. */
  readonly owner: () => Promise<pg.Client>;
  /** A session that may do anything; `drop` ends it. */
  readonly superuser: () => Promise<pg.Client>;
  readonly drop: () => Promise<void>;
}

export async function emptyDatabase(): Promise<EmptyDatabase> {
  const server = inject('testServer');
  const database = `empty_${randomBytes(8).toString('hex')}`;
  const asSuperuser = urlOf(server.url, { user: server.superuser, database: 'postgres' });
  await once(asSuperuser, `create database ${database} template template0 owner ${server.ownerRole}`);
  const ownerUrl = urlOf(server.url, { user: server.ownerRole, database });
  const clients: pg.Client[] = [];
  const connect = async (url: string): Promise<pg.Client> => {
    const client = new pg.Client(url);
    clients.push(client);
    await client.connect();
    return client;
  };
  return {
    ownerUrl,
    owner: () => connect(ownerUrl),
    superuser: () => connect(urlOf(ownerUrl, { user: server.superuser })),
    drop: async () => {
      // A test may have cut some of them.
      await Promise.allSettled(clients.map((client) => client.end()));
      await once(asSuperuser, `drop database ${database} with (force)`);
    },
  };
}

async function once(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
