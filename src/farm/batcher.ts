/**
 * Writes of many callers share a commit (ARCHITECTURE, How it is fast): flush at once when idle, gather while a flush is in flight. No timer
 * and no tuning: the busier the database, the bigger the batches.
 */
import { Refusal } from '../core/refusal.ts';

export type BatcherParts<Op, Result> = {
  /**
   * Applies the ops in one commit, in the order given, and answers each in its place. When it throws, nothing was
   * applied, or applying again is harmless.
   */
  readonly run: (ops: readonly Op[]) => Promise<readonly Result[]>;
  /** What an op weighs in a batch; 1 when absent. */
  readonly rowsOf?: (op: Op) => number;
  /** Rows of one flush at the most; an op that alone is bigger is flushed alone. */
  readonly rowsMax: number;
  /** Ops waiting at the most; the next one is answered with `onFull()`. */
  readonly waitingMax: number;
  readonly onFull: () => Error;
  /** An error that every op of the batch would meet again (the database is gone): all fail at once. Absent: none is. */
  readonly isOutage?: (error: unknown) => boolean;
};

export type Batcher<Op, Result> = {
  /** Rejects with the op's own error, or with `onFull()`. */
  readonly push: (op: Op) => Promise<Result>;
  /** Resolves when nothing waits and nothing is in flight. */
  readonly settled: () => Promise<void>;
  readonly waiting: () => number;
};

type Waiting<Op, Result> = {
  readonly op: Op;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
};

export const createBatcher = <Op, Result>(parts: BatcherParts<Op, Result>): Batcher<Op, Result> => {
  const rowsOf = parts.rowsOf ?? (() => 1);
  let waiting: Waiting<Op, Result>[] = [];
  let flushing: Promise<void> | null = null;

  const next = (): Waiting<Op, Result>[] => {
    let rows = 0;
    const cut = waiting.findIndex(({ op }, index) => (rows += rowsOf(op)) > parts.rowsMax && index > 0);
    const batch = cut === -1 ? waiting : waiting.slice(0, cut);
    waiting = cut === -1 ? [] : waiting.slice(cut);
    return batch;
  };

  const flushAll = async (): Promise<void> => {
    // What else is pushed in this turn of the loop joins the first batch.
    await Promise.resolve();
    while (waiting.length > 0) await flush(parts, next());
    flushing = null;
  };

  return {
    push: (op) =>
      new Promise((resolve, reject) => {
        if (waiting.length >= parts.waitingMax) {
          reject(parts.onFull());
          return;
        }
        waiting.push({ op, resolve, reject });
        flushing ??= flushAll();
      }),
    settled: async () => {
      while (flushing !== null) await flushing;
    },
    waiting: () => waiting.length,
  };
};

/** Never rejects: every op is answered. */
const flush = async <Op, Result>(
  parts: BatcherParts<Op, Result>,
  batch: readonly Waiting<Op, Result>[],
): Promise<void> => {
  try {
    const results = await parts.run(batch.map(({ op }) => op));
    if (results.length !== batch.length) throw new Miscounted(batch.length, results.length);
    // The lengths are equal, so every op has its result.
    results.forEach((result, index) => batch[index]?.resolve(result));
  } catch (error) {
    if (batch.length === 1 || error instanceof Miscounted || (parts.isOutage?.(error) ?? false)) {
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const each of batch) await flush(parts, [each]);
  }
};

/** A bug of `run`, which has committed: running again would apply twice. */
class Miscounted extends Error {
  constructor(ops: number, results: number) {
    super(`a batch of ${ops} ops was answered with ${results} results`);
  }
}

/** What `onFull` says where a caller may simply try again. */
export const tooBusy = (what: string, waitingMax: number): Refusal =>
  new Refusal(
    'UNAVAILABLE',
    'FARM_BUSY',
    `The farm is behind with ${what}: ${waitingMax} are waiting already, so this one was not taken and nothing was changed. Try again in a moment.`,
  );
