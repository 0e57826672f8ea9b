/**
 * One database of the real PostgreSQL behind the farm's simulated pools: real connections, lent out while something runs
 * on them, each told what time it is before it is asked anything. One statement at a time: whoever calls awaits.
 */
import pg from 'pg';
import { columnTypes } from '../../src/store/pool.ts';
import { nameOf } from '../../src/store/prepared.ts';
import { OWNER_ROLE } from '../../src/store/embedded/found.ts';
import { BEGIN } from '../../src/store/transaction.ts';
import { EPOCH_MS } from './life.ts';
import type { SimServer } from './sim-server.ts';
import { Statement } from './sim-statement.ts';

/**
 * A lock that is not free answers 55P03 after a millisecond, as a long wait would in production. Generic plans save the
 * planning, which is most of what the farm's bigger statements cost.
 */
const COMMON_OPTIONS = '-c lock_timeout=1 -c plan_cache_mode=force_generic_plan -c stationgrid.now=epoch';

/** The tables of an hour are small: to set up a hash or a merge takes longer than to go round in them. */
const SESSION_OPTIONS = `${COMMON_OPTIONS} -c enable_hashjoin=off -c enable_mergejoin=off`;

/** There are no statistics, and without them the doctor's joins would go round in each other. */
const INSPECTOR_OPTIONS = `${COMMON_OPTIONS} -c enable_nestloop=off`;

/** The database's clock moves in steps of this much, so that not every statement has to be preceded by another. */
const CLOCK_STEP_MS = 20;

export type Asked = { readonly text: string; readonly values: readonly unknown[] };

export type Backend = {
  readonly client: pg.Client;
  /** In which it was opened. */
  readonly order: number;
  /** The database was copied or switched meanwhile: whoever has it asks for another. */
  isClosed: boolean;
  toldMs: number | null;
  transaction: 'to begin' | 'open' | null;
};

export class SimDatabase {
  readonly #server: SimServer;
  readonly #nowMs: () => number;
  #name: string;
  #idle: Backend[] = [];
  /** Idle or not. */
  readonly #backends = new Set<Backend>();
  /** For the checks. */
  #inspector: Backend | null = null;
  #opened = 0;
  statements = 0;

  constructor(server: SimServer, name: string, nowMs: () => number) {
    this.#server = server;
    this.#name = name;
    this.#nowMs = nowMs;
  }

  /** The oldest that is idle: it has met most statements before, and has their plans. */
  async lend(): Promise<Backend> {
    const [first, ...others] = this.#idle;
    if (first === undefined) return this.#connect(SESSION_OPTIONS);
    const oldest = others.reduce((older, each) => (each.order < older.order ? each : older), first);
    this.#idle.splice(this.#idle.indexOf(oldest), 1);
    return oldest;
  }

  async #connect(options: string, user?: string): Promise<Backend> {
    const client = new pg.Client({
      connectionString: this.#server.urlOf(this.#name, user),
      options,
      types: columnTypes,
      pipeline: true,
    });
    client.on('error', () => undefined);
    await client.connect();
    const backend = { client, order: (this.#opened += 1), isClosed: false, toldMs: null, transaction: null };
    this.#backends.add(backend);
    return backend;
  }

  /** What is open on it is rolled back. */
  async takeBack(backend: Backend): Promise<void> {
    if (backend.transaction !== null && !backend.isClosed) await this.run(backend, 'rollback');
    this.keep(backend);
  }

  /** Nothing is open on it. */
  keep(backend: Backend): void {
    if (!backend.isClosed) this.#idle.push(backend);
  }

  get isInTransaction(): boolean {
    return [...this.#backends].some(({ transaction }) => transaction !== null);
  }

  /**
   * Runs one statement now. Rejects as PostgreSQL does. A transaction begins with its first statement, and what time it is
   * travels with that: one round trip where a farm makes three.
   */
  run(backend: Backend, text: string, values: readonly unknown[] = []): Promise<pg.QueryResult> {
    const { stream } = backend.client.connection;
    stream.cork();
    const answering = this.#send(backend, text, values);
    stream.uncork();
    return answering;
  }

  /** The same for several in a row, which go out together. */
  runAll(backend: Backend, asked: readonly Asked[]): Promise<PromiseSettledResult<pg.QueryResult>[]> {
    const { stream } = backend.client.connection;
    stream.cork();
    const answering = asked.map(({ text, values }) => this.#send(backend, text, values));
    stream.uncork();
    return Promise.allSettled(answering);
  }

  async #send(backend: Backend, text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    this.statements += 1;
    if (text === BEGIN) {
      backend.transaction = 'to begin';
      return NOTHING;
    }
    const { client } = backend;
    if (text === 'commit' || text === 'rollback') {
      const isOpen = backend.transaction === 'open';
      backend.transaction = null;
      if (text === 'rollback') backend.toldMs = null;
      return isOpen ? client.query(text) : NOTHING;
    }
    const clock = this.#clock(backend);
    const before = [
      ...(backend.transaction === 'to begin' ? ['begin'] : []),
      ...(clock === null ? [] : [`set stationgrid.now = '${clock}'`]),
    ];
    if (backend.transaction === 'to begin') backend.transaction = 'open';
    return new Promise((resolve, reject) => {
      const answered = (error: Error | null, result: pg.QueryResult): void => {
        if (error === null) resolve(result);
        else {
          // What was said with a statement that failed was not heard either.
          backend.toldMs = null;
          reject(error);
        }
      };
      client.query(new Statement(before, { name: nameOf(text), text, values }, answered));
    });
  }

  /** For the checks: outside the simulation's time and faults. */
  async ask<T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<T[]> {
    this.#inspector ??= await this.#connect(INSPECTOR_OPTIONS, OWNER_ROLE);
    const { client } = this.#inspector;
    const clock = this.#clock(this.#inspector);
    if (clock !== null) await client.query(`set stationgrid.now = '${clock}'`);
    const { rows } = await client.query<T>({ name: nameOf(text), text, values: [...values] });
    return rows;
  }

  /** Nobody may be in a transaction just now. The copy is as the database is at this moment. */
  async copyTo(name: string): Promise<void> {
    await this.#closeAll();
    await this.#server.create(name, this.#name);
  }

  /** From here on the database of that name is the one. */
  async switchTo(name: string): Promise<void> {
    await this.#closeAll();
    const left = this.#name;
    this.#name = name;
    await this.#server.drop(left);
    // Sequences are logged ahead: a promoted standby gives no number twice.
    await this.ask(
      `select setval(oid, nextval(oid) + 32) from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace`,
    );
  }

  async drop(): Promise<void> {
    await this.#closeAll();
    await this.#server.drop(this.#name);
  }

  /** Those that are lent, too: a commit was answered that its client has not heard of yet. */
  async #closeAll(): Promise<void> {
    const closing = [...this.#backends];
    this.#backends.clear();
    this.#idle = [];
    this.#inspector = null;
    for (const backend of closing) backend.isClosed = true;
    await Promise.all(closing.map(({ client }) => client.end()));
  }

  /** The time to tell the connection; null: what it was told last is near enough. */
  #clock(backend: Backend): string | null {
    const nowMs = Math.floor(this.#nowMs() / CLOCK_STEP_MS) * CLOCK_STEP_MS;
    if (backend.toldMs === nowMs) return null;
    backend.toldMs = nowMs;
    return new Date(EPOCH_MS + nowMs).toISOString();
  }
}

const NOTHING: pg.QueryResult = { command: 'BEGIN', rowCount: null, oid: 0, fields: [], rows: [] };
