/**
 * What the farm takes for its pg.Pool. Each statement is a timer of the simulated world, so that statements of all
 * connections run one at a time in an order that the seed decides; some of them meet a fault.
 */
import type pg from 'pg';
import type { PoolLimits } from '../../src/store/pool.ts';
import type { Life } from './life.ts';
import type { Prng } from './prng.ts';
import type { Asked, Backend, SimDatabase } from './sim-database.ts';
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

/** A statement that its client has written out and not heard of yet. */
type Sent = Asked & {
  readonly fault: StatementFault | null;
  readonly hear: (answer: Answer) => void;
};

class SimClient {
  readonly #parts: PoolParts;
  readonly #onGone: () => void;
  readonly #sent: Sent[] = [];
  #backend: Backend | null = null;
  #isGone = false;
  /** A fault has aborted the transaction: only a rollback is answered. */
  #isAborted = false;
  /** An answer is on its way. */
  #isAnswering = false;
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
    if (this.isBroken) return Promise.reject(terminated());
    const fault = this.#parts.weather.faultOf(text);
    return new Promise((resolve, reject) => {
      const hear = (answer: Answer): void => (answer.ok ? resolve(answer.result) : reject(answer.error));
      this.#sent.push({ text, values, fault, hear });
      if (!this.#isAnswering) this.#next();
    });
  }

  /** Statements that were written out one behind the other are one event, up to the first that a fault befalls. */
  #next(): void {
    const { time, prng, limits } = this.#parts;
    const [first] = this.#sent;
    this.#isAnswering = first !== undefined;
    if (first === undefined) return;
    const latencyMs = first.fault === 'slow' ? prng.between(...SLOW_MS) : prng.between(...LATENCY_MS);
    this.isWorking = true;
    time.after(Math.min(latencyMs, limits.statementMs), async () => {
      const batch = this.#takeBatch();
      const fault = latencyMs > limits.statementMs ? 'timeout' : first.fault;
      const answers = await this.#run(batch, fault);
      this.isWorking = false;
      this.#tell(batch, answers, first);
    });
  }

  #takeBatch(): readonly Sent[] {
    const end = this.#sent.findIndex(({ fault }) => fault !== null);
    return this.#sent.splice(0, end === -1 ? this.#sent.length : Math.max(1, end));
  }

  #tell(batch: readonly Sent[], answers: readonly Answer[], { text, fault }: Sent): void {
    const { life, time, prng } = this.#parts;
    const tell = (): void => {
      life.deliver(() => {
        for (const [index, { hear }] of batch.entries()) hear(answers[index] ?? { ok: false, error: terminated() });
      });
      this.#next();
    };
    // The answer to a commit takes its own time: between the two lies "committed, and nobody knows".
    if (fault === 'slow answer') time.after(prng.between(...LATE_MS), tell);
    else if (text === 'commit') time.after(prng.between(...LATENCY_MS), tell);
    else tell();
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

  /** What became of each; fewer answers than statements: the connection is gone. */
  async #run(batch: readonly Sent[], fault: StatementFault | 'timeout' | null): Promise<readonly Answer[]> {
    const { database, prng } = this.#parts;
    const [{ text } = NOTHING_SENT] = batch;
    // It may have reached the server before its client went.
    if (this.isBroken && !(text === 'commit' && prng.chance(0.5))) return this.#lose(batch);
    if (fault === 'lost before') return this.#lose(batch);
    if (this.#isAborted && text !== 'rollback')
      return batch.map(() => failed('25P02', 'current transaction is aborted'));
    const refused = REFUSALS[fault ?? ''];
    if (refused !== undefined && text !== 'rollback') {
      this.#isAborted = this.#isInTransaction;
      this.#say(text, refused[0]);
      if (text === 'commit') await this.#abort();
      return [failed(...refused)];
    }
    this.#isAborted = false;
    const backend = this.#backend?.isClosed === false ? this.#backend : await database.lend();
    this.#backend = backend;
    const settled = await database.runAll(backend, batch);
    for (const [index, sent] of batch.entries()) await this.#look(backend, sent, settled[index]);
    if (this.isBroken || fault === 'lost after') return this.#lose(batch, 'answer lost');
    return settled.map((each) =>
      each.status === 'fulfilled' ? { ok: true, result: each.value } : { ok: false, error: toError(each.reason) },
    );
  }

  async #look(backend: Backend, sent: Sent, settled: PromiseSettledResult<pg.QueryResult> | undefined): Promise<void> {
    const { database, inspect } = this.#parts;
    if (settled?.status === 'fulfilled') {
      await inspect(database, backend, sent.text, sent.values);
      this.#say(sent.text, String(settled.value.rowCount ?? 'ok'));
      return;
    }
    const error: unknown = settled?.reason;
    this.#say(sent.text, error instanceof Error && 'code' in error ? String(error.code) : String(error));
  }

  #say(text: string, how: string): void {
    const { trace, life } = this.#parts;
    trace.add(life.name, `db: ${labelOf(text)} -> ${how}`);
  }

  async #lose(batch: readonly Sent[], how = 'connection lost'): Promise<readonly []> {
    for (const { text } of batch) this.#say(text, how);
    this.isBroken = true;
    this.isWorking = false;
    await this.sever();
    return [];
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

const NOTHING_SENT = { text: '' };

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
