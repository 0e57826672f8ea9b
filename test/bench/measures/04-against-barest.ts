/** The whole of the farm's work, batched, beside the least that a queue in PostgreSQL can do. */
import { openBare } from '../bare.ts';
import { comparePairs, judge } from '../compare.ts';
import type { Measure } from '../measure.ts';
import { compared, rate } from '../report.ts';
import { openSaturated } from '../saturated.ts';
import { runSeconds, withSides } from '../side.ts';

const MUST = 1.2;

export const measure: Measure = {
  id: 4,
  name: 'the same work, batched and saturated, against the barest claim and complete in pgbench',
  inQuick: true,
  run: (bench) =>
    withSides([() => openBare(bench), () => openSaturated(bench)], async (bare, saturated) => {
      const seconds = runSeconds(bench);
      const pairs = await comparePairs({
        pairs: bench.pairs,
        baseline: () => bare.perSecond(seconds),
        system: () => saturated.perSecond(seconds),
      });
      return {
        ...compared(pairs, rate),
        must: '≥ 1.2',
        aim: '2',
        verdict: judge(pairs.ratio, { must: MUST, better: 'higher' }, pairs.baselineSpread),
      };
    }),
};
