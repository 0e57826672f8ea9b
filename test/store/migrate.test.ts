import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { migrate, migrationStatus } from '../../src/store/migrate.ts';
import { freshDatabase } from '../support/database.ts';
import type { FreshDatabase } from '../support/database.ts';
import { urlOf } from '../support/test-server.ts';

describe('the farm’s own migrations', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());

  it('are all applied, and have nothing left to do', async () => {
    const client = await database.pool.connect();
    const status = await migrationStatus(client).finally(() => client.release());
    expect(status.applied.length).toBeGreaterThan(0);
    expect(status).toMatchObject({ pending: [], future: [], changed: [] });
  });

  it('leave the application’s role no way to change the schema or its history', async () => {
    await expect(database.pool.query('create table t ()')).rejects.toThrow('permission denied');
    await expect(database.pool.query('delete from schema_migrations')).rejects.toThrow('permission denied');
  });

  it('can have their clock set in a test, for every session and for one', async () => {
    await database.setNow(new Date('2030-01-01T00:00:00Z'));
    const { rows } = await database.pool.query('select farm_now() as now');
    expect(rows).toEqual([{ now: new Date('2030-01-01T00:00:00Z') }]);
    const client = await database.pool.connect();
    await client.query("set stationgrid.now = '2031-01-01T00:00:00Z'");
    const own = await client.query('select farm_now() as now');
    expect(own.rows).toEqual([{ now: new Date('2031-01-01T00:00:00Z') }]);
    client.release(true);
    await database.setNow(null);
    const real = await database.pool.query(
      'select abs(extract(epoch from clock_timestamp() - farm_now())) < 60 as near',
    );
    expect(real.rows).toEqual([{ near: true }]);
  });
});

describe('migrate', () => {
  let database: FreshDatabase;
  let folder: string;
  let clients: pg.Client[];
  const files = () => pathToFileURL(`${folder}/`);

  /** A session of the owner in an empty database. */
  async function owner(): Promise<pg.Client> {
    const client = new pg.Client(urlOf(database.ownerUrl, { database: 'empty_for_migrate' }));
    await client.connect();
    clients.push(client);
    return client;
  }

  beforeEach(async () => {
    clients = [];
    database = await freshDatabase();
    folder = await mkdtemp(join(tmpdir(), 'migrations-'));
    await asSuperuser('create database empty_for_migrate owner stationgrid_owner');
    await writeFile(join(folder, '0001_first.sql'), 'create table first (n integer); insert into first values (1);');
    await writeFile(join(folder, '0002_second.sql'), 'update first set n = n + 1;');
  });
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await asSuperuser('drop database empty_for_migrate with (force)');
    await rm(folder, { recursive: true });
    await database.drop();
  });

  it('applies the files in order, once, and says which', async () => {
    const client = await owner();
    const applied = await migrate(client, { folder: files() });
    expect(applied.map(({ number, name }) => [number, name])).toEqual([
      [1, 'first'],
      [2, 'second'],
    ]);
    expect(await migrate(client, { folder: files() })).toEqual([]);
    expect((await client.query('select n from first')).rows).toEqual([{ n: 2 }]);
  });

  it('lets any number of replicas start at once', async () => {
    const replicas = await Promise.all([owner(), owner(), owner(), owner()]);
    const applied = await Promise.all(replicas.map((client) => migrate(client, { folder: files() })));
    expect(applied.flat()).toHaveLength(2);
    expect((await replicas[0].query('select n from first')).rows).toEqual([{ n: 2 }]);
  });

  it('undoes a file that fails, keeps those before it, and says which and why', async () => {
    await writeFile(join(folder, '0003_third.sql'), 'create table third (); select 1 / 0;');
    const client = await owner();
    await expect(migrate(client, { folder: files() })).rejects.toThrow(/0003_third .*division by zero/);
    const { rows } = await client.query("select to_regclass('third') as third");
    expect(rows).toEqual([{ third: null }]);
    expect((await migrationStatus(client, { folder: files() })).pending.map(({ number }) => number)).toEqual([3]);
  });

  it('waits for whoever reads a table without making others wait behind it', async () => {
    await migrate(await owner(), { folder: files() });
    const sql = `set local lock_timeout = '20ms'; alter table first add column m text;`;
    await writeFile(join(folder, '0003_third.sql'), sql);
    const [reader, writer] = [await owner(), await owner()];
    await reader.query('begin; select from first');
    const migrating = migrate(await owner(), { folder: files() });
    // Each gets in between two tries, however long the reader stays.
    for (let n = 0; n < 20; n += 1) await writer.query('update first set n = n');
    await reader.query('commit');
    expect((await migrating).map(({ number }) => number)).toEqual([3]);
  });

  it('gives up on somebody who reads a table for ten minutes, and says what to do', async () => {
    await migrate(await owner(), { folder: files() });
    await writeFile(join(folder, '0003_third.sql'), `set local lock_timeout = '1ms'; alter table first add m text;`);
    const reader = await owner();
    await reader.query('begin; select from first');
    let pauses = 0;
    const pause = (): Promise<void> => Promise.resolve(void (pauses += 1));
    const client = await owner();
    await expect(migrate(client, { folder: files(), pause })).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(
        /0003_third failed and changed nothing: .* lock timeout\. Somebody has read a table/,
      ),
    });
    // A second each, and a second for the lock before each: src/store/migrations say so.
    expect(pauses).toBe(299);
    await reader.query('commit');
    expect(await migrate(client, { folder: files(), pause })).toHaveLength(1);
  });

  it('refuses a migration from the future', async () => {
    const client = await owner();
    await migrate(client, { folder: files() });
    await rm(join(folder, '0002_second.sql'));
    await expect(migrate(client, { folder: files() })).rejects.toThrow(/migration from the future: 0002_second/);
  });

  it('refuses an applied file whose text changed', async () => {
    const client = await owner();
    await migrate(client, { folder: files() });
    await writeFile(join(folder, '0002_second.sql'), 'update first set n = n + 2;');
    await expect(migrate(client, { folder: files() })).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining('0002_second was applied to this database with another text'),
    });
  });

  it('grants the application’s role the rows of what it makes', async () => {
    await migrate(await owner(), { folder: files(), applicationRole: 'stationgrid' });
    const application = new pg.Client(urlOf(database.url, { database: 'empty_for_migrate' }));
    await application.connect();
    clients.push(application);
    expect((await application.query('select n from first')).rows).toEqual([{ n: 2 }]);
    await expect(application.query('drop table first')).rejects.toThrow('must be owner');
  });

  it('asks nothing of the application’s role where nothing is pending, and says who must migrate where something is', async () => {
    await migrate(await owner(), { folder: files(), applicationRole: 'stationgrid' });
    const application = new pg.Client(urlOf(database.url, { database: 'empty_for_migrate' }));
    await application.connect();
    clients.push(application);
    expect(await migrate(application, { folder: files() })).toEqual([]);
    await writeFile(join(folder, '0003_third.sql'), 'create table third (n integer);');
    await expect(migrate(application, { folder: files() })).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(/lacks 0003_third, and the role stationgrid may not change it.*db migrate/),
    });
  });
});

async function asSuperuser(statement: string): Promise<void> {
  const { url, superuser } = inject('testServer');
  const client = new pg.Client(urlOf(url, { user: superuser, database: 'postgres' }));
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
