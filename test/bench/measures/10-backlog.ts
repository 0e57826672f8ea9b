/** A grant reads the heads of queues: what waits behind them must cost nothing. */
import { comparePairs, judge, pairsOf, worst } from '../compare.ts';
import type { Measure } from '../measure.ts';
import { newPaces, openPlant, pace } from '../plant.ts';
import { compared, rate } from '../report.ts';
import { runSeconds } from '../side.ts';

const MUST = 0.85;
const P99_MUST = 1.5;
const SHORT = 1_000;
const LONG = 1_000_000;
/** In the quick form. */
const LONGISH = 100_000;

export const measure: Measure = {
  id: 10,
  name: 'throughput with 1,000,000 jobs queued against 1,000',
  inQuick: true,
  run: async (bench) => {
    const long = bench.quick ? LONGISH : LONG;
    const before = await openPlant(bench, { name: 'queue_short', queued: SHORT });
    const after = await openPlant(bench, { name: 'queue_long', queued: long });
    const [short, longer] = [newPaces(), newPaces()];
    try {
      const seconds = runSeconds(bench);
      const pairs = await comparePairs({
        pairs: bench.pairs,
        baseline: () => pace(before, seconds, short),
        system: () => pace(after, seconds, longer),
      });
      // As with the throughput, the first pair warms up.
      const p99 = pairsOf(short.p99Ms.slice(1), longer.p99Ms.slice(1));
      return {
        ...compared(pairs, rate),
        more: { p99Ratio: p99.ratio, p99Must: P99_MUST, queued: long },
        must: '≥ 0.85, p99 ≤ 1.5',
        aim: '0.95',
        verdict: worst([
          judge(pairs.ratio, { must: MUST, better: 'higher' }, pairs.baselineSpread),
          judge(p99.ratio, { must: P99_MUST, better: 'lower' }, pairs.baselineSpread),
        ]),
        plot: {
          title: 'Jobs a second by the length of the queue',
          x: 'jobs queued',
          y: 'jobs/s',
          points: [
            [SHORT, pairs.baseline],
            [long, pairs.system],
          ],
        },
      };
    } finally {
      await after.close();
      await before.close();
    }
  },
};
