/** The same seed is the same world: in this process or another, today or tomorrow. Everything else hangs on that. */
import { expect, it } from 'vitest';
import { simulate } from './command.ts';

/** Far from those of sim.test.ts, so that they add to it. */
const SEEDS = [9_001, 9_002, 9_003];
const PATIENCE_MS = 10 * 60_000;

const hashes = async (seed: number): Promise<unknown> => {
  const { code, output } = await simulate(['--seed', String(seed), '--json']);
  expect(code, output).toBe(0);
  const { hash, figures } = JSON.parse(output);
  return { hash, figures };
};

it.each(SEEDS)(
  'runs seed %i twice to the same trace, with all its faults',
  async (seed) => {
    const [once, again] = [await hashes(seed), await hashes(seed)];
    expect(again).toEqual(once);
  },
  PATIENCE_MS,
);

it(
  'runs another seed to another trace',
  async () => {
    const [one, other] = [await hashes(9_001), await hashes(9_004)];
    expect(one).not.toEqual(other);
  },
  PATIENCE_MS,
);
