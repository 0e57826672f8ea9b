import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { ClientBase } from 'pg';
import { CannotStart } from '../core/cannot-start.ts';
import { sqlState } from './transaction.ts';

/** Advisory lock key, any constant of our own: one replica migrates, the others wait and find nothing to do. */
const MIGRATION_LOCK = 7_401_936_001n;

const OWN_MIGRATIONS = new URL('./migrations/', import.meta.url);
const FILE_NAME = /^(\d{4})_([a-z0-9-]+)\.sql$/;

/** One numbered file of `migrations/`. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sha256: string;
  readonly sql: string;
}

/** A row of `schema_migrations`. */
export interface AppliedMigration {
  readonly number: number;
  readonly name: string;
  readonly sha256: string;
  readonly appliedAt: Date;
}

/** What a database has against what this build knows; `future` and `changed` are why a start is refused. */
export interface MigrationStatus {
  readonly applied: readonly AppliedMigration[];
  readonly pending: readonly Migration[];
  /** Applied, and unknown to this build: a newer StationGrid was here. */
  readonly future: readonly AppliedMigration[];
  /** Applied, and not what this build's file of that number says. */
  readonly changed: readonly AppliedMigration[];
}

export interface MigrateOptions {
  /** The role farms connect as; it is granted what a farm needs and no more. Absent: the owner serves as well. */
  readonly applicationRole?: string;
  /** The folder of numbered files; for tests of this function. */
  readonly folder?: URL;
  /** Between two tries for a lock, in place of a second; for tests of this function. */
  readonly pause?: () => Promise<void>;
}

/**
 * Brings the database to this build's schema, as its owner, on a direct connection. Any number of replicas may call this
 * at once. Where nothing is pending, nothing is asked for that only an owner may. Returns the migrations that this call applied.
 * @throws CannotStart for a migration from the future, for an applied file that changed since, and where something is
 * pending that this role may not do.
 */
export async function migrate(client: ClientBase, options: MigrateOptions = {}): Promise<readonly Migration[]> {
  // A farm's connections have short timeouts; a migration, and the wait for another replica's, may take long.
  await client.query('set statement_timeout = 0; set lock_timeout = 0');
  await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
  try {
    const status = await migrationStatus(client, options);
    refuseStrangeHistory(status);
    await openBook(client, status.pending);
    for (const migration of status.pending) await applyPatiently(client, migration, options);
    // Where there was nothing to apply, the role may still be new.
    if (options.applicationRole !== undefined) await grantFarm(client, options.applicationRole, false);
    return status.pending;
  } finally {
    await client.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    await client.query('reset statement_timeout; reset lock_timeout');
  }
}

/** Where what was applied is written down: made where it is missing, by a role that may. */
async function openBook(client: ClientBase, pending: readonly Migration[]): Promise<void> {
  const { rows } = await client.query<{ isThere: boolean; mayCreate: boolean; role: string }>(
    `select to_regclass('schema_migrations') is not null as "isThere",
       has_schema_privilege('public', 'create') as "mayCreate", current_user as role`,
  );
  for (const { isThere, mayCreate, role } of rows) {
    if (pending.length > 0 && !mayCreate)
      throw new CannotStart(
        `The schema lacks ${listed(pending)}, and the role ${role} may not change it. ` +
          'Run `stationgrid db migrate` as the role that owns the schema (ownerDatabaseUrl), then start again.',
      );
    if (isThere) continue;
    await client.query(
      `create table if not exists schema_migrations (
         number integer primary key, name text not null, sha256 text not null,
         applied_at timestamptz not null default clock_timestamp())`,
    );
  }
}

/** Reads only; a database that was never migrated has nothing applied. */
export async function migrationStatus(client: ClientBase, options: MigrateOptions = {}): Promise<MigrationStatus> {
  return compareMigrations(await readMigrations(options.folder ?? OWN_MIGRATIONS), await readApplied(client));
}

/** The migrations of this build. */
export const readKnownMigrations = (): Promise<readonly Migration[]> => readMigrations(OWN_MIGRATIONS);

export function compareMigrations(known: readonly Migration[], applied: readonly AppliedMigration[]): MigrationStatus {
  const byNumber = new Map(known.map((migration) => [migration.number, migration]));
  const appliedNumbers = new Set(applied.map(({ number }) => number));
  return {
    applied,
    pending: known.filter(({ number }) => !appliedNumbers.has(number)),
    future: applied.filter(({ number }) => !byNumber.has(number)),
    changed: applied.filter(({ number, sha256 }) => (byNumber.get(number)?.sha256 ?? sha256) !== sha256),
  };
}

async function readMigrations(folder: URL): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (fileName) => {
      const [, number, name] = FILE_NAME.exec(fileName) ?? [];
      if (number === undefined || name === undefined) {
        throw new Error(`The migration ${fileName} must be named NNNN_what.sql, in lower case.`);
      }
      const sql = await readFile(new URL(fileName, folder), 'utf8');
      return { number: Number(number), name, sha256: createHash('sha256').update(sql).digest('hex'), sql };
    }),
  );
}

async function readApplied(client: ClientBase): Promise<readonly AppliedMigration[]> {
  const { rows: tables } = await client.query<{ found: string | null }>(
    "select to_regclass('schema_migrations')::text as found",
  );
  if (tables[0]?.found === null) return [];
  const { rows } = await client.query<AppliedMigration>(
    'select number, name, sha256, applied_at as "appliedAt" from schema_migrations order by number',
  );
  return rows;
}

function refuseStrangeHistory({ future, changed }: MigrationStatus): void {
  if (future.length > 0) {
    throw new CannotStart(
      `The database holds a migration from the future: ${listed(future)} is not known to this build. ` +
        'A newer StationGrid has used this database: start that version, or restore a backup from before it.',
    );
  }
  if (changed.length > 0) {
    throw new CannotStart(
      `The migration ${listed(changed)} was applied to this database with another text than this build has. ` +
        'Migrations are only ever added: restore the file as it was released, and put the change into a new one.',
    );
  }
}

function listed(migrations: readonly Pick<Migration, 'number' | 'name'>[]): string {
  return migrations.map(({ number, name }) => `${String(number).padStart(4, '0')}_${name}`).join(', ');
}

/** Of a migration that says how long it waits for a lock: SQLSTATE lock_not_available. */
const LOCKED = '55P03';
/** Ten minutes of trying, with the farm at work between two tries. */
const LOCK_TRIES_MAX = 300;
const rest = async (client: ClientBase): Promise<void> => {
  await client.query('select pg_sleep(1)');
};

/** @throws CannotStart when somebody reads a table for too long. */
async function applyPatiently(
  client: ClientBase,
  migration: Migration,
  { applicationRole, pause = () => rest(client) }: MigrateOptions,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await apply(client, migration, applicationRole);
      return;
    } catch (error) {
      if (!(error instanceof Error) || sqlState(error.cause) !== LOCKED) throw error;
      if (tries >= LOCK_TRIES_MAX)
        throw new CannotStart(
          `${error.message}. Somebody has read a table of the farm all the while, such as a backup or a forgotten session: ` +
            'wait for it or end it (pg_stat_activity shows it), then start again.',
          { cause: error },
        );
      await pause();
    }
  }
}

/** With its grants in one transaction: a start that is killed in between would find nothing left to do. */
async function apply(
  client: ClientBase,
  { number, name, sha256, sql }: Migration,
  applicationRole: string | undefined,
): Promise<void> {
  await client.query('begin');
  try {
    await client.query(sql);
    await client.query('insert into schema_migrations (number, name, sha256) values ($1, $2, $3)', [
      number,
      name,
      sha256,
    ]);
    if (applicationRole !== undefined) await grantFarm(client, applicationRole, true);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`The migration ${listed([{ number, name }])} failed and changed nothing: ${why}`, { cause: error });
  }
}

/** Tables to which a farm only ever adds. */
const ONLY_ADDED_TO = ['audit', 'result_notes'];

/** What makes and drops the days of history, as the owner. */
const OWNERS_HANDS = ['make_history_day', 'count_history_day', 'drop_history_day'];

/** Rows may be read and written, the schema and its history not, and of some tables nothing may be taken back. */
async function grantFarm(client: ClientBase, role: string, isSchemaNew: boolean): Promise<void> {
  const { rows } = await client.query<{ isGranted: boolean; sql: string }>(
    `select has_table_privilege($1::text, 'schema_migrations', 'select') as "isGranted",
       format('grant usage on schema public to %1$I;
         grant select, insert, update, delete on all tables in schema public to %1$I;
         grant usage, select, update on all sequences in schema public to %1$I;
         revoke insert, update, delete on schema_migrations from %1$I', $1::text) ||
       (select coalesce(string_agg(format('; revoke update, delete, truncate on %I from %I', name, $1::text), ''), '')
        from unnest($2::text[]) as name where to_regclass(name) is not null) ||
       (select coalesce(string_agg(format('; grant execute on function %s to %I', oid::regprocedure, $1::text), ''), '')
        from pg_proc where pronamespace = 'public'::regnamespace and proname = any($3::text[])) as sql`,
    [role, ONLY_ADDED_TO, OWNERS_HANDS],
  );
  for (const { isGranted, sql } of rows) if (isSchemaNew || !isGranted) await client.query(sql);
}
