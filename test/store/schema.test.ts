/** What all migrations together make, in one file: so that every review sees a migration's true effect. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { APPLICATION_ROLE } from '../../src/store/embedded/found.ts';
import { dumpSchema } from '../support/schema-dump.ts';
import { type EmptyDatabase, emptyDatabase } from '../support/database.ts';

let database: EmptyDatabase;
beforeAll(async () => {
  database = await emptyDatabase();
});
afterAll(() => database.drop());

it('is what schema.sql shows (after a new migration: npx vitest run test/store/schema.test.ts -u)', async () => {
  const owner = await database.owner();
  await migrate(owner, { applicationRole: APPLICATION_ROLE });
  const head = '-- All migrations’ effect, written by test/store/schema.test.ts. Not run by anything.\n\n';
  await expect(head + (await dumpSchema(owner))).toMatchFileSnapshot('./schema.sql');
});
