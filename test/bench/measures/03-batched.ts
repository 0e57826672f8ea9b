/** What batching is worth: the same work when as many bots as like share a commit. */
import { comparePairs, judge } from '../compare.ts';
import type { Measure } from '../measure.ts';
import { openOneByOne } from '../one-by-one.ts';
import { compared, rate } from '../report.ts';
import { openSaturated } from '../saturated.ts';
import { runSeconds, withSides } from '../side.ts';

const MUST = 5;

export const measure: Measure = {
  id: 3,
  name: 'the same work, batched and saturated, against one job a commit',
  inQuick: true,
  run: (bench) =>
    withSides([() => openOneByOne(bench), () => openSaturated(bench)], async (oneByOne, saturated) => {
      const seconds = runSeconds(bench);
      const pairs = await comparePairs({
        pairs: bench.pairs,
        baseline: () => oneByOne.perSecond(seconds),
        system: () => saturated.perSecond(seconds),
      });
      return {
        ...compared(pairs, rate),
        must: '≥ 5',
        aim: '10',
        verdict: judge(pairs.ratio, { must: MUST, better: 'higher' }, pairs.baselineSpread),
      };
    }),
};
