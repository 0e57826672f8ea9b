/** What every use-case of the farm is given. Built once, in main.ts. */
import type pg from 'pg';
import type { Clock } from '../core/clock.ts';
import type { FarmEvent } from '../core/farm-event.ts';
import type { Limits } from '../core/limits.ts';
import type { Line } from '../core/line.ts';
import type { Begun, Span } from '../core/trace.ts';
import { type Queryable, inTransaction } from '../store/transaction.ts';

/** Structured logging, as far as the farm needs it: facts first, then the sentence. */
export type Log = {
  readonly info: (facts: Readonly<Record<string, unknown>>, sentence: string) => void;
  readonly warn: (facts: Readonly<Record<string, unknown>>, sentence: string) => void;
  readonly error: (facts: Readonly<Record<string, unknown>>, sentence: string) => void;
};

/** Of a job whose trace is kept: its id, so that a count can point to an example. Null or absent: there is none. */
type Traced = { readonly traceId?: string | null };

/** What has happened, for whoever counts or shows it. Never fails a transaction: it is told after the commit. */
export type Witness = {
  readonly committed: (events: readonly FarmEvent[]) => void;
  /** A write for something no longer open, or through a session no longer attached. */
  readonly fenced: (what: 'lease' | 'session' | 'result') => void;
  readonly granted: (
    grant: Traced & {
      readonly instance: string;
      readonly station: string;
      readonly queuedMs: number;
      /** For how long the job and the bot that got it have both waited; null: no bot did, the DUT runs it by itself. */
      readonly matchMs: number | null;
    },
  ) => void;
  readonly started: (
    start: Traced & { readonly instance: string; readonly station: string; readonly acceptMs: number },
  ) => void;
  readonly ended: (
    end: Traced & {
      readonly instance: string;
      readonly station: string;
      readonly state: string;
      readonly verdict: string | null;
      readonly attempts: number;
      /** From the last start; null when it never started. */
      readonly runMs: number | null;
    },
  ) => void;
  readonly flushed: (flush: { readonly rows: number; readonly ms: number }) => void;
  readonly pollParked: (instance: string) => void;
  readonly pollEnded: (poll: { readonly instance: string; readonly cause: string; readonly heldMs: number }) => void;
  readonly called: (
    call: Traced & {
      readonly instance: string;
      readonly method: string;
      readonly outcome: string;
      readonly ms: number;
    },
  ) => void;
  /** A call is settled: for how long it was owed while its shopfloor was up. */
  readonly delivered: (call: { readonly instance: string; readonly owedMs: number }) => void;
  readonly missedNotify: () => void;
};

/** Whoever keeps traces. Told after the commit, as a witness is, and as unable to fail anything. */
export type Tracer = {
  /**
   * A job's place in its caller's trace, or in a new one.
   * @param traceparent as the caller sent it; null: it sent none.
   */
  readonly begin: (traceparent: string | null) => Begun;
  readonly ended: (span: Span) => void;
};

/** The things that have a life or an identity and that use-cases share. */
export type FarmSeams = {
  /** This process, as the database knows it. */
  readonly replica: string;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  /** A new random uuid, 122 bits from the system's own source of chance: secrets are made of it. */
  readonly newId: () => string;
  /** In [0, 1). */
  readonly random: () => number;
  readonly limits: Limits;
  /** What is configured for an instance; null: there is no such instance here. */
  readonly lineOf: (instance: string) => Line | null;
  readonly log: Log;
  readonly witness: Witness;
  /** Absent: nothing is traced, and traces that jobs carry rest. */
  readonly tracer?: Tracer;
};

/**
 * Something in the queue, a session's leases, or a job has changed: said after the commit, in process at once and to the
 * other replicas soon. Losing one costs latency, never work.
 */
export type Wake =
  /** There is runnable work for those who can serve this requirement set. */
  | { readonly kind: 'requirement'; readonly id: number; readonly jobs: number }
  /** There may be runnable work for this DUT: a job was pinned to it, or it became free. `seenBy`: a session that has looked since. */
  | { readonly kind: 'device'; readonly id: number; readonly seenBy?: string }
  /** There is work for this bot alone. */
  | { readonly kind: 'bot'; readonly instance: string; readonly botId: string }
  /** Leases or flags of this session were changed by somebody else than its bot. */
  | { readonly kind: 'session'; readonly name: string }
  /** The job has a new event: for those who watch it. */
  | { readonly kind: 'job'; readonly id: number }
  /** A call that a DUT made was sent, and it is known how that ended: for whoever waits for its answer. */
  | { readonly kind: 'call'; readonly id: string }
  /** Calls are owed in some lane. */
  | { readonly kind: 'lanes' }
  /** Drains changed. */
  | { readonly kind: 'drains' }
  /** Tokens of bots changed: for those who let bots in. */
  | { readonly kind: 'tokens' }
  /** Nobody leads the farm: for those who could. */
  | { readonly kind: 'lead' };

export type Farm = FarmSeams & {
  readonly wake: (wakes: readonly Wake[]) => void;
  /** Hears every wake, of this replica and of others; returns what ends the hearing. */
  readonly onWake: (hear: (wake: Wake) => void) => () => void;
};

/** One transaction with the farm's retries. */
export const transact = <T>(seams: FarmSeams, work: (db: Queryable) => Promise<T>): Promise<T> =>
  inTransaction({ pool: seams.pool, random: seams.random, sleep: (ms) => seams.clock.sleep(ms) }, work);
