import pg from 'pg';
import { CannotStart } from '../core/cannot-start.ts';
import type { Limits } from '../core/limits.ts';
import { PreparingClient } from './prepared.ts';
import type { Queryable } from './transaction.ts';

/** What one replica asks of PostgreSQL at most; all configurable (src/core/limits.ts). */
export interface PoolLimits {
  readonly connectionsMax: number;
  readonly connectMs: number;
  readonly statementMs: number;
  readonly lockMs: number;
  readonly idleInTransactionMs: number;
}

export const POOL_LIMITS: PoolLimits = {
  connectionsMax: 16,
  connectMs: 2_000,
  statementMs: 5_000,
  lockMs: 1_000,
  idleInTransactionMs: 10_000,
};

/** From the farm's own limits. */
export const poolLimitsOf = ({ poolMax, ...limits }: Limits['postgres']): PoolLimits => ({
  connectionsMax: poolMax,
  ...limits,
});

/** How much longer than the server's own limit an answer may take, before the network is held to have lost it. */
const ANSWER_GRACE_MS = 2_000;
/** What the SQL is written for. */
const SERVER_VERSION_MIN = 150_000;

/** bigint columns are numbers here: ids and counts stay far below 2^53, and text would have to be parsed everywhere. */
const { INT8 } = pg.types.builtins;
const INT8_ARRAY = 1016;

/** How columns are read on every connection of a farm. */
export const columnTypes = new pg.TypeOverrides();
columnTypes.setTypeParser(INT8, Number);
columnTypes.setTypeParser(INT8_ARRAY, (text: string) => text.slice(1, -1).split(',').filter(Boolean).map(Number));

/**
 * Prepared statements keep the plan they once had. A farm begins with empty tables, where reading the whole of one is the
 * best plan; it must not be left with that when they have grown.
 */
const ALWAYS_BY_INDEX = '-c enable_seqscan=off';
/** With that a plan may look so dear that PostgreSQL compiles it, for seconds, to save microseconds: the tick's did. */
const NEVER_COMPILED = '-c jit=off';

/**
 * The pool of one replica. `onLost` hears of connections that broke while nothing ran on them; the pool replaces them by
 * itself, so this is for the log.
 */
export function createPool(
  url: string,
  limits: PoolLimits = POOL_LIMITS,
  onLost: (error: Error) => void = () => undefined,
): pg.Pool {
  const pool = new pg.Pool({
    Client: PreparingClient,
    pipeline: true,
    connectionString: url,
    options: `${ALWAYS_BY_INDEX} ${NEVER_COMPILED}`,
    application_name: 'stationgrid',
    max: limits.connectionsMax,
    connectionTimeoutMillis: limits.connectMs,
    statement_timeout: limits.statementMs,
    query_timeout: limits.statementMs + ANSWER_GRACE_MS,
    lock_timeout: limits.lockMs,
    idle_in_transaction_session_timeout: limits.idleInTransactionMs,
    keepAlive: true,
    types: columnTypes,
  });
  pool.on('error', onLost);
  // The pool listens to its idle connections only; one that breaks between two statements of a transaction would
  // otherwise end the process.
  pool.on('connect', (client) => client.on('error', onLost));
  return pool;
}

/**
 * Checks, as a farm's session sees it, that the server can keep the farm's promises.
 * @throws CannotStart naming the setting and its cure.
 */
export async function checkServer(db: Queryable): Promise<void> {
  const { rows } = await db.query<{ version: number; fsync: string; commit: string; encoding: string }>(
    `select current_setting('server_version_num')::integer as version, current_setting('fsync') as fsync,
       current_setting('synchronous_commit') as commit, current_setting('server_encoding') as encoding`,
  );
  const [server] = rows;
  if (server === undefined) throw new Error('PostgreSQL answered a select without from with no row.');
  const { version, fsync, commit, encoding } = server;
  if (version < SERVER_VERSION_MIN) {
    throw new CannotStart(
      `This PostgreSQL is version ${Math.floor(version / 10_000)}; StationGrid needs 15 or newer. Upgrade the server.`,
    );
  }
  if (fsync !== 'on') refuseSetting('fsync', fsync, 'Set fsync = on in postgresql.conf and restart the server.');
  // All its other values wait at least for this server's own disk.
  if (commit === 'off') {
    refuseSetting('synchronous_commit', commit, 'Set it to on, for the server, the database and the role.');
  }
  if (encoding !== 'UTF8') {
    throw new CannotStart(`The database's encoding is ${encoding}; create it again with encoding 'UTF8'.`);
  }
}

function refuseSetting(name: string, value: string, cure: string): never {
  throw new CannotStart(
    `PostgreSQL runs with ${name} = ${value}, so a crash could lose a completion that a bot was told is kept. ${cure}`,
  );
}
