import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, inject } from 'vitest';
import { type Finding, runDoctor } from '../../src/store/doctor.ts';
import { createPool } from '../../src/store/pool.ts';
import type { Queryable } from '../../src/store/transaction.ts';
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
  /** What is wrong in it, by the doctor, whose statement takes longer to plan than to run: here it is planned once. */
  readonly doctor: () => Promise<readonly Finding[]>;
  /** As it is now, in another database, as a restored backup would be. Ends the sessions of this one. */
  readonly copy: () => Promise<FreshDatabase>;
  /** Ends the pool, and every other session, and removes the database. */
  readonly drop: () => Promise<void>;
}

/** As good as new: one that a test of this file has done with, if there is one. To empty it takes a tenth of making another. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const server = inject('testServer');
  if (server.broken !== null) throw new Error(`No test can have a database: ${server.broken}`);
  const spare = spares.pop();
  return opened(spare ?? { name: await made(server.template), keeper: null }, true);
}

/** A database, and a session of the harness in it, which is let open: it has planned what it asks. Null: not yet. */
type Kept = { name: string; keeper: pg.Client | null };

const spares: Kept[] = [];

const newName = (): string => `test_${randomBytes(8).toString('hex')}`;

afterAll(async () => {
  for (const { name, keeper } of spares.splice(0)) {
    await keeper?.end();
    await asSuperuser(`drop database ${name} with (force)`);
  }
});

async function made(template: string): Promise<string> {
  const name = newName();
  await asSuperuser(`create database ${name} template ${template} owner ${inject('testServer').ownerRole}`);
  return name;
}

/** @param isLikeTheTemplate or a copy of another one, which is of use to nobody else. */
function opened(kept: Kept, isLikeTheTemplate: boolean): FreshDatabase {
  const server = inject('testServer');
  const url = urlOf(server.url, { database: kept.name });
  const pool = createPool(url);
  const keeper = async (): Promise<pg.Client> => (kept.keeper ??= await openKeeper(kept.name));
  return {
    url,
    ownerUrl: urlOf(url, { user: server.ownerRole }),
    pool,
    setNow: async (at) => {
      await pool.query('update test_clock.farm_clock set at = $1', [at]);
    },
    doctor: async () => {
      const db = await keeper();
      return runDoctor(toQueryable((text) => db.query({ name: 'doctor', text })));
    },
    copy: async () => {
      await kept.keeper?.end();
      kept.keeper = null;
      await asSuperuser(`select pg_terminate_backend(pid, 30000) from pg_stat_activity where datname = '${kept.name}'`);
      return opened({ name: await made(kept.name), keeper: null }, false);
    },
    drop: async () => {
      await pool.end();
      // Its session may have been ended by a test, or the database altered: then it goes.
      if (isLikeTheTemplate && (await emptied(kept, keeper).catch(() => false))) spares.push(kept);
      else {
        await kept.keeper?.end().catch(() => undefined);
        await asSuperuser(`drop database ${kept.name} with (force)`);
      }
    },
  };
}

async function openKeeper(database: string): Promise<pg.Client> {
  const { url, superuser } = inject('testServer');
  const client = new pg.Client(urlOf(url, { user: superuser, database }));
  client.on('error', () => undefined);
  await client.connect();
  await client.query('set session_replication_role = replica');
  return client;
}

/** Ends every other session, and takes the database back to what the template is. False: more than its rows was changed. */
async function emptied(kept: Kept, keeper: () => Promise<pg.Client>): Promise<boolean> {
  const db = await keeper();
  // What a test has left running connects again, and must not find the next one's rows. `alter database … rename` takes no
  // database with a session in it, for the sake of those who keep its name; the keeper does not.
  const name = newName();
  await db.query({
    name: 'rename',
    text: 'update pg_database set datname = $1 where datname = current_database()',
    values: [name],
  });
  kept.name = name;
  await db.query(`select pg_terminate_backend(pid, 30000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`);
  const { rows } = await db.query<{ shape: string }>({ name: 'shape', text: 'select untouched.shape() as shape' });
  if (rows[0]?.shape !== inject('testServer').shape) return false;
  await db.query({ name: 'empty', text: 'select untouched.empty()' });
  return true;
}

/** The doctor says its statement and nothing else. */
const toQueryable = (query: (text: string) => Promise<pg.QueryResult>): Queryable =>
  ({ query }) as unknown as Queryable;

async function asSuperuser(statement: string): Promise<void> {
  const { url, superuser } = inject('testServer');
  await once(urlOf(url, { user: superuser, database: 'postgres' }), statement);
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
  await asSuperuser(`create database ${database} template template0 owner ${server.ownerRole}`);
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
      await asSuperuser(`drop database ${database} with (force)`);
    },
  };
}

async function once(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
