/**
 * What the farm takes for its pg.Pool. Each statement is a timer of the simulated world, so that statements of all
 * connections run one at a time in an order that the seed decides; some of them meet a fault.
 */
import type pg from 'pg';
import type { PoolLimits } from '../../src/store/pool.ts';
import type { Life } from './life.ts';
import type { Prng } from './prng.ts';
import type { Backend, SimDatabase } from './sim-database.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What can befall a statement. */
export type StatementFault =
  | 'serialization' // 40001, nothing done
  | 'error before' // the server is too busy (53300), nothing done
  | 'lost before' // the connection breaks, nothing done
  | 'lost after' // done, and the connection breaks before the answer: of a commit, "unknown"
  | 'slow answer' // done at once, answered late: what it locked stays locked
  | 'slow'; // answered late; past the statement timeout it is cancelled instead

export type DatabaseWeather = {
  /** Nobody gets a connection, and those that are there break. */
  readonly isRefusing: () => boolean;
  readonly faultOf: (text: string) => StatementFault | null;
};

export type PoolParts = {
  readonly life: Life;
  readonly time: VirtualTime;
  readonly database: SimDatabase;
  readonly weather: DatabaseWeather;
  readonly prng: Prng;
  readonly trace: Trace;
  readonly limits: PoolLimits;
  /** Looks at what was just written, in its transaction. */
  readonly inspect: (
    database: SimDatabase,
    backend: Backend,
    text: string,
    values: readonly unknown[],
  ) => Promise<void>;
};

const LATENCY_MS = [0.2, 2] as const;
const SLOW_MS = [500, 9_000] as const;
const LATE_MS = [100, 3_000] as const;

export class SimPool {
  readonly #parts: PoolParts;
  readonly #clients = new Set<SimClient>();
  readonly #waiting: (() => void)[] = [];

  constructor(parts: PoolParts) {
    this.#parts = parts;
    parts.life.onDeath(() => this.breakAll());
    // The server ends a transaction that its client leaves idle.
    parts.life.onStop(() => {
      parts.time.after(parts.limits.idleInTransactionMs, async () => {
        if (parts.life.state === 'stopped')
          for (const client of this.#clients) if (client.isIdleInTransaction) await client.sever();
      });
    });
  }

  async connect(): Promise<SimClient> {
    const { life, time, weather, limits, trace } = this.#parts;
    if (weather.isRefusing()) {
      trace.add(life.name, 'db: connection refused');
      await life.clock.sleep(1);
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    }
    if (this.#clients.size >= limits.connectionsMax) {
      await new Promise<void>((resolve, reject) => {
        const timer = time.after(limits.connectMs, () => {
          this.#waiting.splice(this.#waiting.indexOf(resolve), 1);
          life.deliver(() => reject(new Error('timeout exceeded when trying to connect')));
        });
        this.#waiting.push(() => {
          timer.cancel();
          resolve();
        });
      });
    }
    const client = new SimClient(this.#parts, () => {
      this.#clients.delete(client);
      this.#waiting.shift()?.();
    });
    this.#clients.add(client);
    return client;
  }

  async query(text: string, values: readonly unknown[] = []): Promise<pg.QueryResult> {
    const client = await this.connect();
    try {
      return await client.query(text, values);
    } finally {
      client.release();
    }
  }

  /** All connections are gone at once; what was open on them is rolled back. */
  breakAll(): void {
    const { time } = this.#parts;
    for (const client of this.#clients) {
      client.isBroken = true;
      time.after(0, () => client.sever());
    }
  }

  get isInTransaction(): boolean {
    return [...this.#clients].some((client) => client.isIdleInTransaction || client.isWorking);
  }
}

class SimClient {
  readonly #parts: PoolParts;
  readonly #onGone: () => void;
  #backend: Backend | null = null;
  #isGone = false;
  /** A fault has aborted the transaction: only a rollback is answered. */
  #isAborted = false;
  isBroken = false;
  isWorking = false;

  constructor(parts: PoolParts, onGone: () => void) {
    this.#parts = parts;
    this.#onGone = onGone;
  }

  get isIdleInTransaction(): boolean {
    return !this.isWorking && this.#isInTransaction;
  }

  get #isInTransaction(): boolean {
    return (this.#backend?.transaction ?? null) !== null;
  }

  query(text: string, values: readonly unknown[] = []): Promise<pg.QueryResult> {
    const { life, time, weather, prng, limits } = this.#parts;
    if (this.isBroken) return Promise.reject(terminated());
    return new Promise((resolve, reject) => {
      const fault = weather.faultOf(text);
      const latencyMs = fault === 'slow' ? prng.between(...SLOW_MS) : prng.between(...LATENCY_MS);
      this.isWorking = true;
      time.after(Math.min(latencyMs, limits.statementMs), async () => {
        const timedOut = latencyMs > limits.statementMs;
        const answer = await this.#run(text, values, timedOut ? 'timeout' : fault);
        this.isWorking = false;
        const hear = (): void => (answer.ok ? resolve(answer.result) : reject(answer.error));
        // The answer to a commit takes its own time: between the two lies "committed, and nobody knows".
        if (fault === 'slow answer') time.after(prng.between(...LATE_MS), () => life.deliver(hear));
        else if (text === 'commit') time.after(prng.between(...LATENCY_MS), () => life.deliver(hear));
        else life.deliver(hear);
      });
    });
  }

  release(): void {
    const backend = this.#backend;
    if (this.isWorking || this.#isInTransaction) {
      this.isBroken = true;
      this.#parts.time.after(0, () => this.sever());
      return;
    }
    // The usual way: nothing is open on it, and giving it back is no event of the world's.
    this.#backend = null;
    if (backend !== null) this.#parts.database.keep(backend);
    this.#go();
  }

  /** Gives the connection back, rolled back; unless a statement runs on it, which then does so itself. */
  async sever(): Promise<void> {
    this.isBroken = true;
    if (this.isWorking) return;
    const backend = this.#backend;
    this.#backend = null;
    if (backend !== null) await this.#parts.database.takeBack(backend);
    this.#go();
  }

  #go(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#onGone();
  }

  async #run(text: string, values: readonly unknown[], fault: StatementFault | 'timeout' | null): Promise<Answer> {
    const { database, trace, life, prng, inspect } = this.#parts;
    const label = labelOf(text);
    const say = (how: string): void => trace.add(life.name, `db: ${label} -> ${how}`);
    // It may have reached the server before its client went.
    if (this.isBroken && !(text === 'commit' && prng.chance(0.5))) return this.#lose(say);
    if (fault === 'lost before') return this.#lose(say);
    if (this.#isAborted && text !== 'rollback') return failed('25P02', 'current transaction is aborted');
    const refused = REFUSALS[fault ?? ''];
    if (refused !== undefined && text !== 'rollback') {
      this.#isAborted = this.#isInTransaction;
      say(refused[0]);
      if (text === 'commit') await this.#abort();
      return failed(...refused);
    }
    try {
      this.#isAborted = false;
      this.#backend ??= await database.lend();
      const result = await database.run(this.#backend, text, values);
      await inspect(database, this.#backend, text, values);
      say(String(result.rowCount ?? 'ok'));
      if (this.isBroken || fault === 'lost after') return await this.#lose(() => say('answer lost'));
      return { ok: true, result };
    } catch (error) {
      say(error instanceof Error && 'code' in error ? String(error.code) : String(error));
      return { ok: false, error: toError(error) };
    }
  }

  async #lose(say: (how: string) => void): Promise<Answer> {
    say('connection lost');
    this.isBroken = true;
    this.isWorking = false;
    await this.sever();
    return { ok: false, error: terminated() };
  }

  /** A commit that the server refused has ended the transaction. */
  async #abort(): Promise<void> {
    this.#isAborted = false;
    if (this.#backend !== null) await this.#parts.database.run(this.#backend, 'rollback');
  }
}

type Answer = { readonly ok: true; readonly result: pg.QueryResult } | { readonly ok: false; readonly error: Error };

const REFUSALS: Readonly<Record<string, readonly [code: string, words: string]>> = {
  serialization: ['40001', 'could not serialize access due to concurrent update'],
  'error before': ['53300', 'sorry, too many clients already'],
  timeout: ['57014', 'canceling statement due to statement timeout'],
};

const failed = (code: string, words: string): Answer => ({
  ok: false,
  error: Object.assign(new Error(words), { code }),
});
const terminated = (): Error => new Error('Connection terminated unexpectedly');

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

const labels = new Map<string, string>();
const LABEL_MAX = 60;
const labelOf = (text: string): string => {
  const known = labels.get(text);
  if (known !== undefined) return known;
  const label = text.trim().replaceAll(/\s+/g, ' ').slice(0, LABEL_MAX);
  labels.set(text, label);
  return label;
};

/** The farm uses of a pool what is here. */
export function toPgPool(pool: SimPool): pg.Pool {
  return pool as unknown as pg.Pool;
}
