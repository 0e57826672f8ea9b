/** One replica with more bots at work than it can serve at once: whatever waits while a commit is under way shares the next. */
import { openBacklog } from './backlog.ts';
import { crewOf, openWorkers, WARM_MS } from './crew.ts';
import { benchLimits, benchLine } from './line.ts';
import type { Bench } from './measure.ts';
import type { Side } from './side.ts';

/** Several batches full; more of them change the batches, and no longer the rate. */
export const BOTS = 512;

export const openSaturated = async ({ site }: Bench, bots = BOTS): Promise<Side> => {
  const { url, ownerUrl, drop } = await site.database('saturated');
  const { home, close } = await site.openFarm(url, { lines: [benchLine()], limits: benchLimits });
  const crew = crewOf(await openWorkers(home, { count: bots, prefix: 'bot' }));
  const backlog = await openBacklog(home, ownerUrl);
  return {
    perSecond: async (seconds) => {
      await backlog.fill();
      return (await crew.work({ warmMs: WARM_MS, forMs: seconds * 1000 })).perSecond;
    },
    close: async () => {
      await close();
      await drop();
    },
  };
};
