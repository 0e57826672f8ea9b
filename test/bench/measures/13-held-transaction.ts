/**
 * Somebody's transaction that stays open keeps the dead rows of all that is done meanwhile. The queue must not become
 * slower for having to step over them.
 */
import pg from 'pg';
import { judge, median, spreadOf } from '../compare.ts';
import type { Measure } from '../measure.ts';
import { openPlant } from '../plant.ts';
import { rate } from '../report.ts';
import { runSeconds } from '../side.ts';

const MUST = 0.8;
const HELD_S = 180;
const QUICK_HELD_S = 20;
/** Of the time that it is held, the end is what counts. */
const LAST = 5;
const QUEUED = 20_000;

export const measure: Measure = {
  id: 13,
  name: 'throughput with a transaction held open for 3 min',
  inQuick: false,
  run: async (bench) => {
    const plant = await openPlant(bench, { name: 'held', queued: QUEUED });
    const holder = new pg.Client({ connectionString: plant.ownerUrl });
    const seconds = runSeconds(bench);
    const heldMs = (bench.quick ? QUICK_HELD_S : HELD_S) * 1000;
    try {
      await plant.work(seconds);
      const before: number[] = [];
      for (let run = 0; run < bench.pairs; run += 1) before.push((await plant.work(seconds)).perSecond);
      await holder.connect();
      await holder.query('begin isolation level repeatable read');
      await holder.query('select count(*) from replicas');
      const startedMs = performance.now();
      const held: [number, number][] = [];
      while (performance.now() - startedMs < heldMs) {
        const { perSecond } = await plant.work(seconds);
        held.push([Math.round((performance.now() - startedMs) / 1000), perSecond]);
      }
      await holder.query('rollback');
      const after = (await plant.work(seconds)).perSecond;
      const last = held.slice(-LAST).map(([, perSecond]) => perSecond);
      const baseline = median(before);
      const ratio = median(last) / baseline;
      return {
        ratio,
        more: { heldSeconds: heldMs / 1000, afterRatio: after / baseline },
        spread: spreadOf(last),
        baselineSpread: spreadOf(before),
        baseline: rate(baseline),
        system: rate(median(last)),
        n: last.length,
        must: '≥ 0.8',
        aim: '0.95',
        verdict: judge(ratio, { must: MUST, better: 'higher' }, spreadOf(before)),
        plot: {
          title: 'Jobs a second while a transaction is held open',
          x: 's',
          y: 'jobs/s',
          points: [[0, baseline], ...held],
        },
      };
    } finally {
      await holder.end();
      await plant.close();
    }
  },
};
