import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { runCli } from './run-cli.ts';

let db: FreshDatabase;
beforeAll(async () => {
  db = await freshDatabase();
});
afterAll(async () => {
  await db.drop();
});

test('a migrated database is up to date, and migrating it again does nothing', async () => {
  const status = await runCli(['db', 'status', '--database', db.ownerUrl]);
  expect(status.code).toBe(0);
  expect(status.stdout).toMatch(/^MIGRATION +STANDS +APPLIED\n0001_farm +applied +\d{4}-/);
  const migrated = await runCli(['db', 'migrate', '--database', db.ownerUrl]);
  expect(migrated).toMatchObject({ code: 0, stdout: 'Nothing to do: the schema is that of this build.\n' });
});

test('a migration from the future shows, and stops migrate', async () => {
  const future = `insert into schema_migrations (number, name, sha256) values (9999, 'quantum', 'x')`;
  const owner = await asOwner(future);
  try {
    const status = await runCli(['db', 'status', '--database', db.ownerUrl, '-o', 'json']);
    expect(status.code).toBe(1);
    expect(JSON.parse(status.stdout)).toContainEqual(
      expect.objectContaining({ number: 9999, name: 'quantum', stands: 'from the future' }),
    );
    const migrated = await runCli(['db', 'migrate', '--database', db.ownerUrl]);
    expect(migrated.code).toBe(78);
    expect(migrated.stderr).toMatch(/^error: The database holds a migration from the future: 9999_quantum/);
  } finally {
    await owner.undo('delete from schema_migrations where number = 9999');
  }
});

test('the doctor is content with a sound farm, and fails with what it finds', async () => {
  const sound = await runCli(['db', 'doctor', '--database', db.url]);
  expect(sound).toMatchObject({ code: 0, stdout: 'Everything holds.\n', stderr: '' });
  await db.pool.query(
    `insert into tallies (family, instance, label, state, n) values ('job', 'line1', 'FAT', 'QUEUED', 2)`,
  );
  const ill = await runCli(['db', 'doctor', '--database', db.url, '-o', 'json']);
  expect(ill.code).toBe(1);
  expect(JSON.parse(ill.stdout)).toEqual([
    { invariant: '18', what: 'jobs QUEUED of instance "line1", FAT', words: 'there are 0 and the tally says 2' },
  ]);
  const table = await runCli(['db', 'doctor', '--database', db.url]);
  expect(table.stdout).toMatch(/^INVARIANT +WHERE +WHAT IS WRONG\n18 +jobs QUEUED/);
});

test('a folder without a database is told, not filled', async () => {
  const { code, stderr } = await runCli(['db', 'doctor', '--data', '/nonexistent/stationgrid']);
  expect(code).toBe(78);
  expect(stderr).toMatch(/^error: there is no database in \/nonexistent\/stationgrid\nName its folder with --data/);
});

test('an unreachable database: its address without the password', async () => {
  const { code, stderr } = await runCli(['db', 'status'], {
    env: { STATIONGRID_DATABASE_URL: 'postgresql://me:hush@127.0.0.1:1/farm' },
  });
  expect(code).toBe(4);
  expect(stderr).toContain('the database at postgresql://me:***@127.0.0.1:1/farm cannot be reached');
  expect(stderr).not.toContain('hush');
});

const asOwner = async (statement: string) => {
  const { default: pg } = await import('pg');
  const run = async (text: string): Promise<void> => {
    const client = new pg.Client(db.ownerUrl);
    await client.connect();
    await client.query(text).finally(() => client.end());
  };
  await run(statement);
  return { undo: run };
};
