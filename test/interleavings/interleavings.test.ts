/** Every pair of use-cases that can cross, at every statement boundary, on a real PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cross, type Effort, playOnce } from './cross.ts';
import { pairs } from './pairs.ts';
import { parseSchedule } from './schedules.ts';
import { openStage, type Stage } from './stage.ts';

/**
 * SEED=… draws other schedules; MORE=10 draws ten times as many of those beyond one switch. What a failure says can be
 * played again alone: SCHEDULE='A3 B' npx vitest run test/interleavings -t 'claim / claim'.
 */
const { SEED = '20261121', MORE = '1', SCHEDULE } = process.env;
const seed = Number(SEED);
const effort: Effort = { seed, twoSwitchesMax: Number(MORE), tossedMax: Number(MORE) };

const ORDERS_MIN = 300;

let stage: Stage;
const played = new Map<string, number>();
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

/** For a machine that has much else to do. */
const timeout = 600_000;

describe('two that cross, statement by statement', { timeout }, () => {
  it.each(pairs)('$name: end as they may', async (pair) => {
    if (SCHEDULE !== undefined) {
      await playOnce(stage, pair, parseSchedule(SCHEDULE));
      return;
    }
    const { steps, orders, schedules, seen } = await cross(stage, pair, effort);
    played.set(pair.name, orders);
    process.stdout.write(
      `${pair.name}: ${steps.a} + ${steps.b} statements, ${orders} orders in ${schedules} schedules\n`,
    );
    // An end that no schedule comes to is not true any more, and would hide a bug.
    expect([...seen].sort()).toEqual(pair.ends.map((end) => JSON.stringify(end)).sort());
  });

  it('were played in hundreds of different orders', (context) => {
    if (played.size < pairs.length) context.skip('not every pair was played');
    const orders = [...played.values()].reduce((sum, each) => sum + each, 0);
    process.stdout.write(`${orders} orders of ${pairs.length} pairs, seed ${seed}\n`);
    expect(orders).toBeGreaterThanOrEqual(ORDERS_MIN);
  });
});
