/** From the start of the process to the first connection that is served, migrations looked at and the heart beating. */
import { openBacklog, settle } from '../backlog.ts';
import { comparePairs, judge, worst } from '../compare.ts';
import { openConnection } from '../connection.ts';
import { benchLimits } from '../line.ts';
import type { Measure } from '../measure.ts';
import { compared, ms } from '../report.ts';
import type { BenchDatabase, BenchSite } from '../site.ts';

const MUST = 2.5;
const BACKLOG_MUST = 1.2;
const QUEUED = 1_000_000;

export const measure: Measure = {
  id: 17,
  name: 'start to ready on a migrated database; with 1,000,000 queued',
  inQuick: false,
  run: async (bench) => {
    const { site, pairs } = bench;
    const queued = bench.quick ? QUEUED / 10 : QUEUED;
    const empty = await site.database('start_empty');
    const full = await site.database('start_full');
    try {
      await enqueue(site, full, queued);
      const bare = await comparePairs({ pairs, baseline: () => bareStart(site), system: () => start(site, empty) });
      const backlog = await comparePairs({
        pairs,
        baseline: () => start(site, empty),
        system: () => start(site, full),
      });
      return {
        ...compared(bare, ms),
        more: { queued, backlogRatio: backlog.ratio, backlogMust: BACKLOG_MUST },
        must: '≤ 2.5; ≤ 1.2 of that',
        aim: '1.5',
        verdict: worst([
          judge(bare.ratio, { must: MUST, better: 'lower' }, bare.baselineSpread),
          judge(backlog.ratio, { must: BACKLOG_MUST, better: 'lower' }, backlog.baselineSpread),
        ]),
      };
    } finally {
      await full.drop();
      await empty.drop();
    }
  },
};

const enqueue = async (site: BenchSite, { url, ownerUrl }: BenchDatabase, jobs: number): Promise<void> => {
  const { home, close } = await site.openFarm(url, { limits: benchLimits });
  await (await openBacklog(home, ownerUrl)).add(jobs);
  await close();
  await settle(ownerUrl);
};

/** Milliseconds until somebody is connected. */
const bareStart = async (site: BenchSite): Promise<number> => {
  const startedMs = performance.now();
  const echo = await site.echo();
  (await openConnection(echo.address)).close();
  const tookMs = performance.now() - startedMs;
  await echo.close();
  return tookMs;
};

/** The same, and until it says of itself that it is ready. */
const start = async (site: BenchSite, database: BenchDatabase): Promise<number> => {
  const startedMs = performance.now();
  const farm = await site.serve({ database });
  (await openConnection(farm.address)).close();
  const { status } = await fetch(`${farm.httpUrl}/readyz`);
  const tookMs = performance.now() - startedMs;
  await farm.close();
  if (status !== 200) throw new Error(`a farm that serves is not ready: ${status}`);
  return tookMs;
};
