/** The same seed is the same world: in this process or another, today or tomorrow. Everything else hangs on that. */
import { expect, it } from 'vitest';
import { simulate } from './command.ts';

/** Far from those of sim.test.ts, so that they add to it. */
const [FIRST, SEEDS] = [9_001, 2];
const PATIENCE_MS = 10 * 60_000;

const runs = async (): Promise<
  readonly { readonly seed: number; readonly hash: string; readonly figures: object }[]
> => {
  const { code, output } = await simulate(['--from', String(FIRST), '--seeds', String(SEEDS), '--json']);
  expect(code, output).toBe(0);
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .map(({ seed, hash, figures }) => ({ seed, hash, figures }))
    .sort((a, b) => a.seed - b.seed);
};

it(
  'runs a seed twice to the same trace, with all its faults, and another to another',
  async () => {
    const once = await runs();
    expect(once).toHaveLength(SEEDS);
    expect(await runs()).toEqual(once);
    expect(new Set(once.map(({ hash }) => hash)).size).toBe(SEEDS);
  },
  PATIENCE_MS,
);
