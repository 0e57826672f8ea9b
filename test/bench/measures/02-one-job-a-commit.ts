/**
 * What the farm adds to its own statements: its verbs beside pgbench, which sends the same, without waiting where the farm
 * does not wait, and thinks of nothing.
 */
import { comparePairs, judge } from '../compare.ts';
import type { Measure } from '../measure.ts';
import { openOneByOne, openReplay } from '../one-by-one.ts';
import { compared, rate } from '../report.ts';
import { runSeconds, withSides } from '../side.ts';

const MUST = 0.6;

export const measure: Measure = {
  id: 2,
  name: 'grant, acknowledge, complete with three owed calls, one job a commit, against pgbench',
  inQuick: false,
  run: (bench) =>
    withSides([() => openReplay(bench), () => openOneByOne(bench)], async (replay, farm) => {
      const seconds = runSeconds(bench);
      const pairs = await comparePairs({
        pairs: bench.pairs,
        baseline: () => replay.perSecond(seconds),
        system: () => farm.perSecond(seconds),
      });
      return {
        ...compared(pairs, rate),
        must: '≥ 0.6',
        aim: '0.8',
        verdict: judge(pairs.ratio, { must: MUST, better: 'higher' }, pairs.baselineSpread),
      };
    }),
};
