/** The pull-request tier of the simulation: `npm run sim`, as anybody else would run it. */
import { expect, it } from 'vitest';
import { simulate } from './command.ts';

/** So many farm-hours, from seed 1: what fits beside the other tests. `npm run sim -- --seeds 2000` runs more. */
const SEEDS = 48;
/** On two slow cores; here to end what hangs. */
const PATIENCE_MS = 20 * 60_000;

it(
  `keeps every promise of ARCHITECTURE.md in ${SEEDS} simulated farm-hours`,
  async () => {
    const { code, output } = await simulate(['--seeds', String(SEEDS)]);
    expect(code, output).toBe(0);
    expect(output).toContain(`${SEEDS} of ${SEEDS} seeds kept every promise`);
    // Zombies were there and were fenced, or it proved nothing.
    expect(Number(/(\d+) fenced writes/.exec(output)?.[1])).toBeGreaterThan(0);
  },
  PATIENCE_MS,
);
