/**
 * Migrations that are killed half-way. An event trigger, which the migrating role cannot see, stops a migration behind its
 * n-th change of the schema. There it dies: at each of the first ones, then at every fourth, as what a long migration has
 * done before is done again for every cut. What it leaves must be the work of whole migrations, and the next start must carry
 * on from it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type pg from 'pg';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { APPLICATION_ROLE } from '../../src/store/embedded/found.ts';
import { migrate } from '../../src/store/migrate.ts';
import { type EmptyDatabase, emptyDatabase } from '../support/database.ts';
import { eventually, PATIENCE_MS } from '../support/farm-site.ts';
import { dumpSchema } from '../support/schema-dump.ts';

const OWN_MIGRATIONS = fileURLToPath(new URL('../../src/store/migrations/', import.meta.url));
const COMMAND = fileURLToPath(new URL('../../src/cli/stationgrid.mjs', import.meta.url));
const TIMEOUT_MS = 300_000;

/** There are more than a hundred cuts, and each is waited for twice. */
const OFTEN = [PATIENCE_MS, 5] as const;

const names = readdirSync(OWN_MIGRATIONS).sort();

const STOP_LOCK = 1;
const STOPS = `
  create schema stops;
  create sequence stops.passed;
  create table stops.at (n bigint, applied bigint);
  insert into stops.at values (0);
  create function stops.wait() returns event_trigger language plpgsql security definer as $$
  declare
    here stops.at;
    applied bigint;
  begin
    select * into here from stops.at;
    if nextval('stops.passed') = here.n then perform pg_advisory_xact_lock(${STOP_LOCK}); end if;
    if here.applied is null then return; end if;
    select count(*) into applied from schema_migrations;
    if applied = here.applied then perform pg_advisory_xact_lock(${STOP_LOCK}); end if;
  end $$;
  create event trigger stops_wait on ddl_command_end execute function stops.wait();`;

/** Folders with the first n migrations, and the schemas that a kill may leave once those were applied. */
let folders: readonly URL[];
let clean: readonly (readonly string[])[];
let database: EmptyDatabase;
/** Sets the stops, holds the lock that is waited for there, and looks. */
let watcher: pg.Client;

beforeAll(async () => {
  const base = await mkdtemp(join(tmpdir(), 'migrations-'));
  folders = await Promise.all(
    [[], ...names].map(async (_, n) => {
      const folder = await mkdtemp(join(base, 'first-'));
      for (const name of names.slice(0, n)) await cp(join(OWN_MIGRATIONS, name), join(folder, name));
      return pathToFileURL(`${folder}/`);
    }),
  );
  const reference = await emptyDatabase();
  const owner = await reference.owner();
  const empty = await dumpSchema(owner);
  // The history of migrations is made before any is applied, and nobody is granted anything until one is.
  await migrate(owner, { folder: folders[0]! });
  const states = [[empty, await dumpSchema(owner)]];
  for (const folder of folders.slice(1)) {
    await migrate(owner, { folder, applicationRole: APPLICATION_ROLE });
    states.push([await dumpSchema(owner)]);
  }
  clean = states;
  await reference.drop();
  return () => rm(base, { recursive: true });
});

beforeEach(async () => {
  database = await emptyDatabase();
  watcher = await database.superuser();
  await watcher.query(STOPS);
  await watcher.query('select pg_advisory_lock($1)', [STOP_LOCK]);
});
afterEach(() => database.drop());

it('leave whole migrations behind, wherever they are cut, and go on from there', { timeout: TIMEOUT_MS }, async () => {
  const left = new Set<number>();
  let [stop, cuts] = [1, 0];
  for (;;) {
    const before = await countApplied();
    await stopAt(stop);
    const owner = await database.owner();
    const migrating = migrate(owner, { applicationRole: APPLICATION_ROLE }).then(
      () => 'whole',
      () => 'cut',
    );
    if ((await Promise.race([migrating, stopped()])) === 'whole') break;
    await cut(owner);
    cuts += 1;
    const applied = await countApplied();
    left.add(applied);
    expect(clean[applied], `cut at stop ${stop} with ${applied} applied`).toContain(await dumpSchema(watcher));
    // The stops of a migration that was committed are passed for good.
    // Only long migrations come so far, and what follows one has more than four changes: none is stepped over.
    stop = applied > before ? 1 : stop + (stop < 24 ? 1 : 4);
  }
  expect(await dumpSchema(watcher)).toBe(clean.at(-1)![0]);
  expect(await countApplied()).toBe(clean.length - 1);
  // Of every state on the way, and oftener than that: inside of the migrations too.
  expect([...left].sort((a, b) => a - b)).toEqual(clean.slice(0, -1).map((_, applied) => applied));
  expect(cuts).toBeGreaterThan(clean.length * 2);
});

it(
  'each is taken up by the next start, after a kill -9 of the command in its middle',
  { timeout: TIMEOUT_MS },
  async () => {
    // The first stop is the history of migrations; it is asked for every time.
    await stopAt(2);
    let running = command();
    for (const index of names.keys()) {
      await stopped();
      running.child.kill('SIGKILL');
      expect(await running.ended).toEqual([null, 'SIGKILL']);
      expect(await countApplied()).toBe(index);
      await stopAt(0, index + 1);
      // At once, while the server still carries out what the killed one has asked for: it waits that out, and is the next one killed.
      running = command();
      // Whoever waits for the lock is given it first.
      await watcher.query(`select pg_advisory_unlock(${STOP_LOCK}); select pg_advisory_lock(${STOP_LOCK})`);
    }
    expect(await running.ended).toEqual([0, null]);
    expect(await countApplied()).toBe(names.length);
    expect(withoutGrants(await dumpSchema(watcher))).toBe(withoutGrants(clean.at(-1)![0]!));
  },
);

/** Behind so many changes of the schema; 0: nowhere. @param applied at every change when so many migrations are; null: nowhere. */
async function stopAt(stop: number, applied: number | null = null): Promise<void> {
  await watcher.query(`update stops.at set n = $1, applied = $2`, [stop, applied]);
  await watcher.query(`select setval('stops.passed', 1, false)`);
}

/** Resolves when a migration waits at its stop. */
const stopped = (): Promise<'stopped'> =>
  eventually(
    async () => {
      const { rows } = await watcher.query(
        `select pid from pg_locks where locktype = 'advisory' and objid = $1 and not granted
         and database = (select oid from pg_database where datname = current_database())`,
        [STOP_LOCK],
      );
      expect(rows).toHaveLength(1);
      return 'stopped' as const;
    },
    ...OFTEN,
  );

/** What a server sees of a client that was killed: its connection ends. Resolves when all that it began is undone. */
async function cut(owner: pg.Client): Promise<void> {
  const { rows } = await watcher.query<{ pid: number }>(
    // The server's own workers may be here too, to vacuum what was changed so often.
    `select pid from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`,
  );
  expect(rows).toHaveLength(1);
  owner.on('error', () => undefined);
  toStream(owner).destroy();
  await watcher.query('select pg_advisory_unlock($1)', [STOP_LOCK]);
  await eventually(
    async () => {
      const found = await watcher.query('select pid from pg_stat_activity where pid = $1', [rows[0]!.pid]);
      expect(found.rows).toEqual([]);
    },
    ...OFTEN,
  );
  await watcher.query('select pg_advisory_lock($1)', [STOP_LOCK]);
}

async function countApplied(): Promise<number> {
  const { rows: tables } = await watcher.query<{ found: string | null }>(
    `select to_regclass('schema_migrations') as found`,
  );
  if (tables[0]!.found === null) return 0;
  return (await watcher.query('select number from schema_migrations')).rows.length;
}

/** `stationgrid db migrate`; with a URL of one's own, the owner serves as well. */
function command(): { readonly child: ChildProcess; readonly ended: Promise<unknown[]> } {
  const words = [COMMAND, 'db', 'migrate', '--database', database.ownerUrl];
  const child = spawn(process.execPath, words, { stdio: 'ignore' });
  return { child, ended: once(child, 'exit') };
}

const withoutGrants = (schema: string): string => schema.replaceAll(/^grant .*\n/gm, '').trim();

/** pg's own socket, which its types keep to themselves. */
function toStream(client: pg.Client): { readonly destroy: () => void } {
  return (client as unknown as { connection: { stream: { destroy: () => void } } }).connection.stream;
}
