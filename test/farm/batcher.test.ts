import { describe, expect, it } from 'vitest';
import { type BatcherParts, createBatcher } from '../../src/farm/batcher.ts';

const full = new Error('full');

/** A batcher whose flushes are journalled and end when the test says so. */
const gatedBatcher = (changes: Partial<BatcherParts<number, string>> = {}) => {
  const batches: (readonly number[])[] = [];
  const releases: (() => void)[] = [];
  const batcher = createBatcher<number, string>({
    run: async (ops) => {
      batches.push(ops);
      await new Promise<void>((resolve) => releases.push(resolve));
      return ops.map(String);
    },
    rowsMax: 100,
    waitingMax: 100,
    onFull: () => full,
    ...changes,
  });
  return { ...batcher, batches, release: () => releases.shift()?.() };
};

describe('a batcher', () => {
  it('flushes at once when idle, and gathers while a flush is in flight', async () => {
    const { push, batches, release } = gatedBatcher();
    const first = push(1);
    await Promise.resolve();
    const others = [push(2), push(3), push(4)];
    expect(batches).toEqual([[1]]);
    release();
    expect(await first).toBe('1');
    await Promise.resolve();
    release();
    expect(await Promise.all(others)).toEqual(['2', '3', '4']);
    expect(batches).toEqual([[1], [2, 3, 4]]);
  });

  it('flushes what is pushed by whoever was just answered', async () => {
    const { push } = gatedBatcher({ run: async (ops) => ops.map(String) });
    for (const n of [1, 2, 3]) expect(await push(n)).toBe(String(n));
  });

  it('keeps a flush within its rows, but never leaves a big op behind', async () => {
    const batches: (readonly number[])[] = [];
    const run = async (ops: readonly number[]) => (batches.push(ops), ops.map(String));
    const { push } = gatedBatcher({ run, rowsOf: (op) => op, rowsMax: 10 });
    await Promise.all([push(4), push(5), push(6), push(50), push(1)]);
    expect(batches).toEqual([[4, 5], [6], [50], [1]]);
  });

  it('refuses what comes when too many wait', async () => {
    const { push, release } = gatedBatcher({ waitingMax: 1 });
    const first = push(1);
    await Promise.resolve();
    const second = push(2);
    await expect(push(3)).rejects.toBe(full);
    release();
    await first;
    await Promise.resolve();
    release();
    expect(await second).toBe('2');
  });

  it('fails only the culprit of a batch', async () => {
    const run = async (ops: readonly number[]) => {
      if (ops.includes(2)) throw new Error('two');
      return ops.map(String);
    };
    const { push } = gatedBatcher({ run });
    const done = await Promise.allSettled([push(1), push(2), push(3)]);
    expect(done.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('fails all at once in an outage, without trying each', async () => {
    let runs = 0;
    const run = async (): Promise<string[]> => {
      runs += 1;
      throw new Error('gone');
    };
    const { push } = gatedBatcher({ run, isOutage: () => true });
    const done = await Promise.allSettled([push(1), push(2), push(3)]);
    expect(done.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(runs).toBe(1);
  });

  it('does not run again what was answered with too few results, since that was committed', async () => {
    let runs = 0;
    const { push } = gatedBatcher({ run: async () => ((runs += 1), ['one']) });
    const done = await Promise.allSettled([push(1), push(2)]);
    expect(done.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(runs).toBe(1);
  });

  it('settles when nothing waits and nothing is in flight', async () => {
    const { push, settled, waiting, release } = gatedBatcher();
    const op = push(1);
    let isSettled = false;
    const settling = settled().then(() => (isSettled = true));
    await Promise.resolve();
    expect([isSettled, waiting()]).toEqual([false, 0]);
    release();
    await Promise.all([op, settling]);
  });
});
