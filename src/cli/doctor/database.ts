/** The database: reached, of a version and with settings that keep the farm's promises, at this build's schema, sound. */
import { existsSync } from 'node:fs';
import pg from 'pg';
import { givenDatabase } from '../../config/given-database.ts';
import { CannotStart } from '../../core/cannot-start.ts';
import { withoutCredentials } from '../../core/secret.ts';
import { runDoctor } from '../../store/doctor.ts';
import { findPostgresBinaries } from '../../store/embedded/binaries.ts';
import { socketUrl } from '../../store/embedded/connect.ts';
import { embeddedFolder, findSocketFolder } from '../../store/embedded/folder.ts';
import { APPLICATION_ROLE, DATABASE } from '../../store/embedded/found.ts';
import { readPostmasterPid } from '../../store/embedded/postmaster.ts';
import { type MigrationStatus, migrationStatus } from '../../store/migrate.ts';
import { checkServer } from '../../store/pool.ts';
import { type Check, fail, type Finding, ok, skipped, warn, wordsOf } from './check.ts';
import type { Site } from './site.ts';

type Reached =
  | { readonly kind: 'reached'; readonly db: pg.Client; readonly at: string }
  | { readonly kind: 'closed'; readonly finding: Finding };

/** Reads all of the farm in one statement. */
const DOCTOR_MS = 60_000;
/** Over this the clocks of two machines are worth a word; JWTs and certificates are judged by them. */
const CLOCK_WARN_MS = 30_000;
/** Beside the pool: one to listen, one to stand for leadership, one to migrate. */
const BESIDE_POOL = 3;

export const databaseChecks = (
  site: Site,
): { readonly checks: readonly Check[]; readonly close: () => Promise<void> } => {
  let reached: Promise<Reached> | null = null;
  const reach = (): Promise<Reached> => (reached ??= open(site));
  /** One connection answers one question at a time. */
  let before: Promise<unknown> = Promise.resolve();
  const once = (judge: (db: pg.Client) => Promise<Finding>) => async (): Promise<Finding> => {
    const there = await reach();
    if (there.kind === 'closed') return skipped('the database is not reached');
    const judged = before.then(() => judge(there.db));
    before = judged.catch(() => undefined);
    return judged;
  };
  const checks: readonly Check[] = [
    {
      ...aboutReach,
      id: 'database',
      run: async () => {
        const there = await reach();
        return there.kind === 'closed' ? there.finding : ok(there.at);
      },
    },
    { ...aboutOwner, id: 'database.owner', run: () => judgeOwner(site) },
    { ...aboutSettings, id: 'database.settings', run: once(judgeSettings) },
    { ...aboutConnections, id: 'database.connections', run: once((db) => judgeConnections(db, site)) },
    { ...aboutSchema, id: 'database.schema', run: once(async (db) => judgeSchema(await migrationStatus(db))) },
    { ...aboutClock, id: 'clock', run: once((db) => judgeClock(db, site)) },
    // Last: it takes longest, and the others wait for it.
    { ...aboutDoctor, id: 'database.doctor', boundMs: DOCTOR_MS, run: once(judgeSoundness) },
  ];
  return {
    checks,
    close: async () => {
      const there = await reached;
      // One that still waits for an answer is not waited for.
      if (there?.kind === 'reached') there.db.connection.stream.destroy();
    },
  };
};

const aboutReach = {
  what: 'The farm is let in to its database.',
  why: 'Without it a farm does not start, and one that runs keeps nothing and acknowledges nothing.',
  mend: 'Start PostgreSQL; correct databaseUrl; let pg_hba.conf and the firewall pass this machine.',
};
const aboutOwner = {
  what: 'The owner of the schema is let in too.',
  why: 'It migrates at every start of a new version, and makes and drops the days of history.',
  mend: 'Correct ownerDatabaseUrl, or leave it out where one role does both.',
};
const aboutSettings = {
  what: 'PostgreSQL is 15 or newer, and keeps what it has committed (fsync, synchronous_commit, UTF-8).',
  why: 'A crash could otherwise lose a completion that a bot was told is kept. A farm does not start so.',
  mend: 'The line above says which setting, and its cure. docs/how-to/own-postgresql.md has all of them.',
};
const aboutConnections = {
  what: 'It has room for the connections of one more replica of this configuration.',
  why: 'A replica that gets no connection serves nobody, and a rolling upgrade needs one replica more.',
  mend: 'Raise max_connections, or lower limits.postgres.poolMax or the number of workers.',
};
const aboutSchema = {
  what: "The schema is this build's: no migration pending, unknown or changed.",
  why: 'A farm migrates at its start and refuses a schema that is newer than it is.',
  mend: 'Pending: start this version, or `stationgrid db migrate`. Unknown: start the newer one. docs/how-to/upgrade.md has more.',
};
const aboutDoctor = {
  what: 'Everything that must always hold does (`stationgrid db doctor`).',
  why: 'What does not hold is a defect, or a database that was changed by hand.',
  mend: 'Keep the output of `stationgrid db doctor -o json`, and report it.',
};
const aboutClock = {
  what: "The database's clock against this machine's. Told, and never compared by the farm.",
  why: 'Sessions, leases and history go by the database alone; JWTs and certificates are judged by this machine.',
  mend: 'Let both follow one source of time (chrony, NTP).',
};

const open = async (site: Site): Promise<Reached> => {
  const found = locate(site);
  if (typeof found !== 'string') return { kind: 'closed', finding: found };
  const at = withoutCredentials(found);
  const db = clientFor(found, site);
  try {
    await db.connect();
    return { kind: 'reached', db, at };
  } catch (error) {
    return { kind: 'closed', finding: fail(`${at}: ${wordsOf(error)}`) };
  }
};

const clientFor = (url: string, { config }: Site): pg.Client => {
  const db = new pg.Client({
    connectionString: url,
    application_name: 'stationgrid doctor',
    connectionTimeoutMillis: config.limits.postgres.connectMs,
    statement_timeout: DOCTOR_MS,
  });
  // A connection lost between two statements shows in the next; without a listener it would end the process.
  db.on('error', () => undefined);
  return db;
};

/** The URL as the farm serves, or why there is nobody to ask: a doctor starts no database. */
const locate = ({ config }: Site): string | Finding => {
  const given = givenDatabase(config);
  if (given !== null) return given.url;
  const folder = embeddedFolder(config.data);
  const socket = existsSync(folder.path) ? findSocketFolder(folder) : null;
  if (socket !== null && readPostmasterPid(folder) !== null)
    return socketUrl(socket, { user: APPLICATION_ROLE, database: DATABASE });
  try {
    findPostgresBinaries();
  } catch (error) {
    if (error instanceof CannotStart) return fail(error.message);
    throw error;
  }
  return skipped(`the embedded PostgreSQL in ${config.data} does not run; the farm starts it`);
};

const judgeOwner = async (site: Site): Promise<Finding> => {
  const given = givenDatabase(site.config);
  if (given === null || given.ownerUrl === given.url) return skipped('one role does both');
  const owner = clientFor(given.ownerUrl, site);
  const at = withoutCredentials(given.ownerUrl);
  try {
    await owner.connect();
    return ok(at);
  } catch (error) {
    return fail(`${at}: ${wordsOf(error)}`);
  } finally {
    await owner.end().catch(() => undefined);
  }
};

const judgeSettings = async (db: pg.Client): Promise<Finding> => {
  try {
    await checkServer(db);
  } catch (error) {
    if (error instanceof CannotStart) return fail(error.message);
    throw error;
  }
  const { rows } = await db.query<{ version: string }>(`select current_setting('server_version') as version`);
  return ok(`PostgreSQL ${rows[0]?.version ?? 'of no version'}, fsync on, UTF8`);
};

const judgeConnections = async (db: pg.Client, { config }: Site): Promise<Finding> => {
  const { rows } = await db.query<{ max: number; taken: number }>(
    `select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer as max,
       (select count(*)::integer from pg_stat_activity where backend_type = 'client backend') as taken`,
  );
  const { max, taken } = rows[0] ?? { max: 0, taken: 0 };
  const needed = config.workers * (config.limits.postgres.poolMax + BESIDE_POOL);
  const saw = `${String(max - taken)} of ${String(max)} are free, a replica takes up to ${String(needed)}`;
  return max - taken < needed ? warn(saw) : ok(saw);
};

const judgeSchema = ({ applied, pending, future, changed }: MigrationStatus): Finding => {
  const listed = (migrations: readonly { readonly number: number; readonly name: string }[]): string =>
    migrations.map(({ number, name }) => `${String(number).padStart(4, '0')}_${name}`).join(', ');
  if (future.length > 0) return fail(`unknown to this build: ${listed(future)}`);
  if (changed.length > 0) return fail(`applied with another text: ${listed(changed)}`);
  if (applied.length === 0)
    return warn('there is no farm in it yet: its first start, or `stationgrid db migrate`, makes one');
  return pending.length > 0
    ? warn(`pending: ${listed(pending)}`)
    : ok(`${String(applied.length)} migrations, the last ${listed(applied.slice(-1))}`);
};

const judgeSoundness = async (db: pg.Client): Promise<Finding> => {
  const { pending, applied, future } = await migrationStatus(db);
  if (applied.length === 0 || pending.length > 0 || future.length > 0)
    return skipped("its questions are for this build's schema");
  const [first, ...more] = await runDoctor(db);
  if (first === undefined) return ok('everything holds');
  return fail(
    `invariant ${first.invariant}: ${first.what}: ${first.words}${more.length > 0 ? `; and ${String(more.length)} more` : ''}`,
  );
};

/** Ours at the middle of the question, so that half the way there and back is all that may be wrong. */
const judgeClock = async (db: pg.Client, { clock }: Site): Promise<Finding> => {
  const [askedAt, sinceMs] = [clock.now().getTime(), clock.monotonicMs()];
  const { rows } = await db.query<{ ms: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  );
  const tripMs = clock.monotonicMs() - sinceMs;
  const aheadMs = (rows[0]?.ms ?? NaN) - (askedAt + tripMs / 2);
  const saw = `the database is ${aheadMs < 0 ? 'behind' : 'ahead'} by ${Math.abs(aheadMs).toFixed(0)} ms (± ${(tripMs / 2).toFixed(0)} ms)`;
  return Math.abs(aheadMs) > CLOCK_WARN_MS ? warn(saw) : ok(saw);
};
