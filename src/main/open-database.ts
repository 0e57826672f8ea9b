/** The database of a farm: the server that the configuration names or one of our own, at this build's schema. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Config } from '../config.ts';
import { type GivenDatabase, givenDatabase } from '../config/given-database.ts';
import { CannotStart } from '../core/cannot-start.ts';
import { noticeRestoreAlone, RESTORE_WORDS } from '../farm/notice-restore.ts';
import type { Log } from '../log.ts';
import { processClock } from '../process-clock.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../store/embedded-postgres.ts';
import { migrate, migrationStatus } from '../store/migrate.ts';
import { checkServer, createPool, poolLimitsOf } from '../store/pool.ts';
import type { Beginning } from '../workers/talk.ts';
import type { Undo } from './undo.ts';

/** Finds or starts the server, migrates, and looks whether a backup was restored. Returns the URL to serve with. */
export const prepareDatabase = async (config: Config, log: Log, undo: Undo): Promise<string> => {
  const at = await locate(config, log, undo);
  await inOneSession(at.ownerUrl, async (owner) => {
    await migrate(owner, at.migrateOptions);
    const restore = await noticeRestoreAlone(owner);
    if (restore !== null) log.warn({ restore: restore.number, cause: restore.cause }, RESTORE_WORDS);
  });
  return at.url;
};

/** The server that the configuration names, or one of our own in the data directory. */
const locate = async (config: Config, log: Log, undo: Undo): Promise<GivenDatabase> => {
  const given = givenDatabase(config);
  if (given !== null) return given;
  const { url, ownerUrl, applicationRole } = await joinEmbedded(config.data, log, undo);
  return { url, ownerUrl, migrateOptions: { applicationRole } };
};

/** Where it does not run yet it is started. Whoever joins it stays joined until it stops; the last one stops it. */
const joinEmbedded = async (dataDir: string, log: Log, undo: Undo): Promise<EmbeddedPostgres> => {
  const embedded = await startEmbeddedPostgres({ dataDir, log, clock: processClock, newId: randomUUID });
  undo.push(() => embedded.stop());
  return embedded;
};

/** For a worker, whose primary has prepared the database: by the name that the primary has for it. */
export const joinDatabase = async (
  { databaseUrl, embeddedIn }: Beginning,
  config: Config,
  parts: { readonly log: Log; readonly undo: Undo },
): Promise<pg.Pool> => {
  const { log, undo } = parts;
  // So that it stays up when the primary is killed, and stops when the last worker has left.
  if (embeddedIn !== null) await joinEmbedded(embeddedIn, log, undo);
  const pool = await openPool(databaseUrl, config, log, undo);
  await expectSchema(pool);
  return pool;
};

const inOneSession = async (url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> => {
  const client = new pg.Client({ connectionString: url, application_name: 'stationgrid migrate' });
  await client.connect().catch((cause: unknown) => {
    throw new CannotStart(
      `No PostgreSQL lets the farm in: ${cause instanceof Error ? cause.message : String(cause)}. ` +
        'Start it, or mend the URL given with --database (databaseUrl in the configuration).',
      { cause },
    );
  });
  try {
    await work(client);
  } finally {
    await client.end();
  }
};

export const openPool = async (url: string, { limits }: Config, log: Log, undo: Undo): Promise<pg.Pool> => {
  const pool = createPool(url, poolLimitsOf(limits.postgres), (error) => {
    log.warn({ err: error }, 'a connection to the database was lost');
  });
  undo.push(() => pool.end());
  await checkServer(pool);
  return pool;
};

/**
 * A worker may be of another build than its primary, as after an upgrade in place.
 * @throws CannotStart when the schema is not this build's.
 */
const expectSchema = async (pool: pg.Pool): Promise<void> => {
  const client = await pool.connect();
  try {
    const { pending, future, changed } = await migrationStatus(client);
    if (pending.length + future.length + changed.length === 0) return;
  } finally {
    client.release();
  }
  throw new CannotStart(
    'The schema of the database is not that of this build, and only the start of a farm migrates it. ' +
      'Stop the farm and start it again, or start the new version beside it; docs/how-to/upgrade.md says how.',
  );
};
