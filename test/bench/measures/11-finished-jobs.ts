/** What has ended must cost the line nothing: a farm with years behind it beside one of today. */
import { ask } from '../backlog.ts';
import { comparePairs, judge } from '../compare.ts';
import { furnishHistory } from '../history.ts';
import type { Bench, Measure } from '../measure.ts';
import { newPaces, openPlant, pace, type Plant } from '../plant.ts';
import { compared, rate } from '../report.ts';
import { runSeconds } from '../side.ts';

const MUST = 0.95;
const FINISHED = 5_000_000;
const QUEUED = 1_000;

export const measure: Measure = {
  id: 11,
  name: 'throughput with 5,000,000 finished jobs against none',
  inQuick: false,
  run: async (bench) => {
    const finished = bench.quick ? FINISHED / 10 : FINISHED;
    const before = await openPlant(bench, { name: 'no_history', queued: QUEUED });
    const after = await openPlant(bench, { name: 'history', queued: QUEUED });
    try {
      await furnish(bench, after, finished);
      const seconds = runSeconds(bench);
      const pairs = await comparePairs({
        pairs: bench.pairs,
        baseline: () => pace(before, seconds, newPaces()),
        system: () => pace(after, seconds, newPaces()),
      });
      return {
        ...compared(pairs, rate),
        more: { finished },
        must: '≥ 0.95',
        aim: '1',
        verdict: judge(pairs.ratio, { must: MUST, better: 'higher' }, pairs.baselineSpread),
      };
    } finally {
      await after.close();
      await before.close();
    }
  },
};

const furnish = async ({ say }: Bench, plant: Plant, jobs: number): Promise<void> => {
  const jobId = await plant.finishOne();
  const startedMs = performance.now();
  const sessionNames = plant.workers.map(({ name }) => name);
  await furnishHistory(plant.ownerUrl, { jobId, jobs, sessionNames });
  const [size] = await ask(plant.ownerUrl, 'select pg_size_pretty(pg_database_size(current_database())) as size');
  const took = ((performance.now() - startedMs) / 1000).toFixed(0);
  say(`${jobs} finished jobs are there after ${took} s: ${String(size?.['size'])}`);
};
