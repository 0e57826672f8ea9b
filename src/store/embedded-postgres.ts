import { resolve } from 'node:path';
import type { Client } from 'pg';
import type { Clock } from '../core/clock.ts';
import { isLost, socketUrl, tryConnect } from './embedded/connect.ts';
import type { EmbeddedFolder } from './embedded/folder.ts';
import { embeddedFolder, prepareFolder } from './embedded/folder.ts';
import { APPLICATION_ROLE, DATABASE, OWNER_ROLE } from './embedded/found.ts';
import { readPostmasterPid, stopPostmaster } from './embedded/postmaster.ts';
import type { EmbeddedLog } from './embedded/reach.ts';
import { notReady, reachServer, START_MAX_MS } from './embedded/reach.ts';

/** Held shared by every farm process of a data directory; who gets it alone is the last one, and stops the server. */
const PRESENCE_LOCK = 7_401_936_002n;

const STOP_MAX_MS = 30_000;
const POLL_MS = 25;
const REJOIN_MIN_MS = 250;
const REJOIN_MAX_MS = 10_000;

export interface EmbeddedOptions {
  /** Made where it is missing; PostgreSQL lives in its folder `postgres`. */
  readonly dataDir: string;
  readonly log: EmbeddedLog;
  readonly clock: Clock;
  /** A unique name, fit for a file name. */
  readonly newId: () => string;
  /** Default true. False is for tests: faster, and a power cut may corrupt the database. */
  readonly isDurable?: boolean;
}

export interface EmbeddedPostgres {
  /** What the farm connects with: rows may be read and written, the schema not changed. */
  readonly url: string;
  /** What migrations run with. */
  readonly ownerUrl: string;
  /** The role of `url`, to be granted what migrations make. */
  readonly applicationRole: string;
  /** Leaves; the last farm process of the data directory to leave stops PostgreSQL. */
  readonly stop: () => Promise<void>;
}

/**
 * Joins the PostgreSQL that runs in the data directory, or starts it; and brings it back, at the same URL, should it end
 * while the farm lives.
 * @throws CannotStart when this machine, user or folder cannot run it; the message says what to change.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const presence = new Presence({ ...options, dataDir: resolve(options.dataDir) });
  const socketFolder = await presence.start();
  return {
    url: socketUrl(socketFolder, { user: APPLICATION_ROLE, database: DATABASE }),
    ownerUrl: socketUrl(socketFolder, { user: OWNER_ROLE, database: DATABASE }),
    applicationRole: APPLICATION_ROLE,
    stop: () => presence.stop(),
  };
}

interface Joined {
  readonly client: Client;
  readonly ended: Promise<void>;
  readonly socketFolder: string;
}

/** One farm process's being there: a session that holds the presence lock, from start to stop. */
class Presence {
  readonly #options: EmbeddedOptions;
  readonly #folder: EmbeddedFolder;
  readonly #leaving = new AbortController();
  #joined: Joined | null = null;
  #watch: Promise<void> = Promise.resolve();

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.#folder = embeddedFolder(options.dataDir);
  }

  async start(): Promise<string> {
    prepareFolder(this.#folder);
    const joined = await this.#join();
    this.#joined = joined;
    this.#watch = this.#rejoinWhenLost(joined);
    return joined.socketFolder;
  }

  async stop(): Promise<void> {
    this.#leaving.abort();
    const leaving = this.#joined;
    this.#joined = null;
    if (leaving !== null) await this.#leave(leaving);
    await this.#watch;
  }

  async #join(): Promise<Joined> {
    const { isDurable = true, clock, log } = this.#options;
    const signal = this.#leaving.signal;
    const startedMs = clock.monotonicMs();
    let why = 'it keeps stopping';
    while (clock.monotonicMs() - startedMs < START_MAX_MS) {
      const socketFolder = await reachServer({ ...this.#options, folder: this.#folder, isDurable, signal });
      const connection = await tryConnect(socketUrl(socketFolder, { user: APPLICATION_ROLE, database: DATABASE }));
      if (connection.kind === 'connected') {
        const { client, ended } = connection;
        try {
          // Waits while the last one before us stops the server; then our session ends with it, and we start it anew.
          await client.query('select pg_advisory_lock_shared($1)', [PRESENCE_LOCK]);
          return { client, ended, socketFolder };
        } catch (error) {
          await client.end();
          if (!isLost(error)) throw error;
          log.info({ err: error }, 'the embedded PostgreSQL is just stopping; starting it again');
        }
      } else if (connection.kind === 'busy') why = connection.why;
      await clock.sleep(POLL_MS, signal);
    }
    throw notReady(this.#folder, why);
  }

  /** Runs until stop. A session is lost when PostgreSQL crashes (it restarts itself) or its postmaster is killed. */
  async #rejoinWhenLost(first: Joined): Promise<void> {
    const { log, clock } = this.#options;
    const isLeaving = (): boolean => this.#leaving.signal.aborted;
    let waitMs = REJOIN_MIN_MS;
    await first.ended;
    while (!isLeaving()) {
      this.#joined = null;
      try {
        log.warn({ folder: this.#folder.path }, 'the embedded PostgreSQL went away; bringing it back');
        const joined = await this.#join();
        this.#joined = joined;
        log.info({ folder: this.#folder.path }, 'the embedded PostgreSQL is back');
        waitMs = REJOIN_MIN_MS;
        if (isLeaving()) await this.#leave(joined);
        await joined.ended;
      } catch (error) {
        if (isLeaving()) return;
        log.warn({ err: error }, `the embedded PostgreSQL cannot be brought back yet; next try in ${waitMs} ms`);
        await clock.sleep(waitMs, this.#leaving.signal);
        waitMs = Math.min(waitMs * 2, REJOIN_MAX_MS);
      }
    }
  }

  async #leave({ client }: Joined): Promise<void> {
    const { log } = this.#options;
    try {
      await client.query('select pg_advisory_unlock_shared($1)', [PRESENCE_LOCK]);
      const { rows } = await client.query<{ isLast: boolean }>('select pg_try_advisory_lock($1) as "isLast"', [
        PRESENCE_LOCK,
      ]);
      if (rows[0]?.isLast === true) await this.#stopServer();
      else log.info({ folder: this.#folder.path }, 'the embedded PostgreSQL stays up for the other farm processes');
    } catch (error) {
      log.warn({ err: error }, 'the embedded PostgreSQL went away before it could be stopped');
    } finally {
      await client.end();
    }
  }

  async #stopServer(): Promise<void> {
    const { clock, log } = this.#options;
    const pid = stopPostmaster(this.#folder);
    const startedMs = clock.monotonicMs();
    while (pid !== null && readPostmasterPid(this.#folder) === pid) {
      if (clock.monotonicMs() - startedMs > STOP_MAX_MS) {
        log.warn({ pid }, `the embedded PostgreSQL still writes after ${STOP_MAX_MS / 1000} s; it ends by itself`);
        return;
      }
      await clock.sleep(POLL_MS);
    }
  }
}
