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

test('the days of history: none at first, made and dropped on demand, held by what is owed', async () => {
  const retention = (...more: readonly string[]) => runCli(['db', 'retention', '--database', db.ownerUrl, ...more]);
  const days = (text: string) =>
    toDays(JSON.parse(text)).days.map(({ day, stands, tables }) => [day, stands, tables.length]);
  await db.setNow(new Date('2026-03-01T12:00:00Z'));
  expect(await retention()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^DAY +JOBS +SIZE +STANDS\n/) });
  const applied = await retention('--apply', '--set', 'limits.history.aheadDays=1');
  expect(applied).toMatchObject({ code: 0, stderr: '' });
  expect(applied.stdout).toMatch(
    /\n2026-03-02 .* made ahead\n\nKept: 90 days, from 2025-12-01 on\.\nMade 12 partitions, /,
  );
  await db.setNow(new Date('2026-03-05T12:00:00Z'));
  const later = await retention('--set', 'limits.history.keepDays=3', '-o', 'json');
  expect(days(later.stdout)).toEqual([
    ['2026-03-01', 'DUE', 6],
    ['2026-03-02', 'KEPT', 6],
  ]);
  const table = await retention('--set', 'limits.history.keepDays=3');
  expect(table.stdout).toMatch(/^2026-03-01 .* dropped next$/m);
  // Another is at work.
  const other = await db.pool.connect();
  await other.query('begin');
  await other.query(`select pg_advisory_xact_lock(hashtextextended('history', 0))`);
  const left = await retention('--set', 'limits.history.keepDays=3', '--apply');
  expect(left).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^Left: finished_jobs of 2026-03-01: another replica/m),
  });
  await other.query('rollback');
  other.release();
  const dropped = await retention('--set', 'limits.history.keepDays=3', '--apply', '-o', 'json');
  expect(dropped.code).toBe(0);
  expect(days(dropped.stdout).map(([day]) => day)).toEqual([2, 5, 6, 7, 8].map((date) => `2026-03-0${String(date)}`));
});

function toDays(read: unknown) {
  return read as {
    readonly days: readonly { readonly day: string; readonly stands: string; readonly tables: readonly string[] }[];
  };
}

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
