/** One of two callers that cross: its pool stops before every statement, begin and commit included, until it has its turn. */
import type pg from 'pg';
import { nameOf } from '../../src/store/prepared.ts';
import { sqlState } from '../../src/store/transaction.ts';

export interface Side {
  readonly name: 'A' | 'B' | 'C';
  /** For the code under test, in place of the real one. */
  readonly pool: pg.Pool;
  /** The same for code that is given a connection of its own. */
  readonly gated: (client: pg.ClientBase) => pg.ClientBase;
  /** From now on every statement waits for its turn. `plant` rewrites its text; the identity plants nothing. */
  readonly start: (use: () => Promise<string>, plant: (text: string) => string) => void;
  /** Lets the statement go that is stopped; returns its text. */
  readonly go: () => string;
  readonly isStopped: () => boolean;
  /** How it ended: what the use-case answered, a refusal's reason, or what was thrown. Null: not yet. */
  readonly ended: () => string | null;
  /** Server processes that run a statement of it just now. */
  readonly running: () => readonly number[];
  /** It has begun and not ended, so that another may have to wait for it. */
  readonly isUnderWay: () => boolean;
  /** Resolves at the next change of any of these. */
  readonly changed: () => Promise<void>;
  /** Statements that PostgreSQL ended as a deadlock. */
  readonly deadlocks: () => number;
  /** Nothing stops any more. Resolves when nothing runs: before a start, and after a schedule, however that ended. */
  readonly idle: () => Promise<void>;
}

type Stopped = { readonly text: string; readonly go: () => void };

export const createSide = (name: Side['name'], real: pg.Pool): Side => {
  const running = new Set<number>();
  const stopped: Stopped[] = [];
  let crossing: { ended: string | null; gone: number; deadlocks: number; plant: (text: string) => string } | null =
    null;
  /** Connections that are in use or on their way. */
  let taken = 0;
  let change = Promise.withResolvers<undefined>();

  const changes = (): void => {
    change.resolve(undefined);
    change = Promise.withResolvers();
  };

  const run = async (client: pg.ClientBase, text: string, values?: unknown[]): Promise<pg.QueryResult> => {
    const planted = crossing === null ? text : crossing.plant(text);
    if (crossing?.ended === null) {
      await new Promise<void>((go) => {
        stopped.push({ text, go });
        changes();
      });
    }
    const pid = processOf(client);
    running.add(pid);
    changes();
    try {
      return await prepared(client, planted, values);
    } catch (error) {
      if (crossing !== null && sqlState(error) === '40P01') crossing.deadlocks += 1;
      throw error;
    } finally {
      running.delete(pid);
      changes();
    }
  };

  /** What is written out behind another statement has its turn when that has ended: the server takes one after the other. */
  const lastOf = new WeakMap<pg.ClientBase, Promise<unknown>>();
  const queue = (client: pg.ClientBase, text: string, values?: unknown[]): Promise<pg.QueryResult> => {
    const before = lastOf.get(client) ?? Promise.resolve();
    const answer = before.then(() => run(client, text, values));
    lastOf.set(
      client,
      answer.catch(() => undefined),
    );
    return answer;
  };

  const gated = (client: pg.ClientBase): pg.ClientBase =>
    ({ query: (text: string, values?: unknown[]) => queue(client, text, values) }) as unknown as pg.ClientBase;

  const take = async () => {
    taken += 1;
    const client = await real.connect();
    const release = (broken = false): void => {
      taken -= 1;
      client.release(broken);
      changes();
    };
    return { client, release };
  };

  const pool = {
    connect: async () => {
      const { client, release } = await take();
      return Object.assign(gated(client), { release });
    },
    query: async (text: string, values?: unknown[]) => {
      const { client, release } = await take();
      return run(client, text, values).finally(() => {
        release();
      });
    },
  } as unknown as pg.Pool;

  return {
    name,
    pool,
    gated,
    start: (use, plant) => {
      const begun = { ended: null as string | null, gone: 0, deadlocks: 0, plant };
      crossing = begun;
      void use()
        .catch((error: unknown) => wordsOf(error))
        .then((words) => {
          begun.ended = words;
          changes();
        });
    },
    go: () => {
      const next = stopped.shift();
      if (next === undefined) throw new Error(`side ${name} has a turn and no statement`);
      if (crossing !== null) crossing.gone += 1;
      next.go();
      return next.text;
    },
    isStopped: () => stopped.length > 0 && running.size === 0,
    ended: () => crossing?.ended ?? null,
    running: () => [...running],
    isUnderWay: () => crossing !== null && crossing.gone > 0 && crossing.ended === null,
    changed: () => change.promise,
    deadlocks: () => crossing?.deadlocks ?? 0,
    idle: async () => {
      crossing = null;
      for (const { go } of stopped.splice(0)) go();
      while (taken > 0) await change.promise;
    },
  };
};

/** Each text is planned once for a connection, and not at every schedule anew: planning takes longer than running. */
const prepared = (client: pg.ClientBase, text: string, values?: unknown[]): Promise<pg.QueryResult> =>
  values === undefined ? client.query(text) : client.query({ name: nameOf(text), text, values });

/** pg's types leave it out. */
const processOf = (client: pg.ClientBase): number => (client as pg.ClientBase & { processID: number }).processID;

/** A refusal is an end like any other; anything else stands in no table. */
const wordsOf = (error: unknown): string =>
  error instanceof Error && 'reason' in error ? String(error.reason) : `threw ${String(error)}`;
