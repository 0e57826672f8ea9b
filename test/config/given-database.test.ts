/** A server of somebody else's, met by two roles: the owner migrates, the other serves and may no more than a farm needs. */
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { givenDatabase } from '../../src/config/given-database.ts';
import { Secret } from '../../src/core/secret.ts';
import { migrate } from '../../src/store/migrate.ts';
import { type EmptyDatabase, emptyDatabase } from '../support/database.ts';
import { urlOf } from '../support/test-server.ts';

const ROLE = 'line"s farm';

let database: EmptyDatabase;
let superuser: pg.Client;
beforeAll(async () => {
  database = await emptyDatabase();
  superuser = await database.superuser();
  await superuser.query(`create role ${pg.escapeIdentifier(ROLE)} login`);
});
afterAll(async () => {
  await superuser.query(`drop owned by ${pg.escapeIdentifier(ROLE)}; drop role ${pg.escapeIdentifier(ROLE)}`);
  await database.drop();
});

it('grants the role that serves what a farm needs and no more', async () => {
  const url = urlOf(database.ownerUrl, { user: ROLE });
  const given = givenDatabase({ databaseUrl: new Secret(url), ownerDatabaseUrl: new Secret(database.ownerUrl) });
  expect(given).toEqual({ url, ownerUrl: database.ownerUrl, migrateOptions: { applicationRole: ROLE } });
  await migrate(await database.owner(), given!.migrateOptions);
  const farm = new pg.Client(url);
  await farm.connect();
  const may = (statement: string): Promise<string> =>
    farm.query(statement).then(
      () => 'done',
      (error: unknown) => String((error as pg.DatabaseError).code),
    );
  expect(await may('insert into replicas (id) values (gen_random_uuid())')).toBe('done');
  expect(await may('select from audit')).toBe('done');
  const DENIED = '42501';
  for (const statement of [
    'update audit set text = text',
    'delete from audit',
    'truncate audit',
    'delete from schema_migrations',
    'drop table jobs',
    'create table mine (id integer)',
  ])
    expect(`${statement}: ${await may(statement)}`).toBe(`${statement}: ${DENIED}`);
  await farm.end();
});

it('takes one role for both where no owner is named', () => {
  const url = 'postgresql://farm@db/farm';
  expect(givenDatabase({ databaseUrl: new Secret(url), ownerDatabaseUrl: null })).toEqual({
    url,
    ownerUrl: url,
    migrateOptions: {},
  });
  expect(givenDatabase({ databaseUrl: null, ownerDatabaseUrl: null })).toBeNull();
});
