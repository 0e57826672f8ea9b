/** How long work takes to reach a bot that waits for it on another replica than where it was enqueued. */
import { setTimeout as wait } from 'node:timers/promises';
import { openConnection } from '../connection.ts';
import { timeToLease } from '../idle-bot.ts';
import { compareLatencies, latencyReading, REST_MS } from '../latency.ts';
import type { Measure } from '../measure.ts';
import { openScratch } from '../scratch.ts';

const must = { p50: 2, p99: 4 };
/** A replica learns from its tick that it is not alone, and ticks every 5 s, more or less. */
const ACQUAINTED_MS = 7_000;

export const measure: Measure = {
  id: 6,
  name: 'enqueue to lease, bot parked on another replica',
  inQuick: false,
  run: async ({ site, pairs, quick, say }) => {
    const database = await site.database('latency');
    const scratch = await openScratch(database);
    const here = await site.serve({ database });
    const there = await site.serve({ database });
    await wait(ACQUAINTED_MS);
    const [scheduler, bot] = [await openConnection(here.address), await openConnection(there.address)];
    say('one job at a time');
    const found = await compareLatencies({
      pairs,
      samples: quick ? 60 : 300,
      baseline: async () => {
        await wait(REST_MS);
        const startedMs = performance.now();
        await scratch.insertAndHear();
        return performance.now() - startedMs;
      },
      system: await timeToLease(scheduler, bot),
    });
    for (const connection of [scheduler, bot]) connection.close();
    await here.close();
    await there.close();
    await scratch.close();
    await database.drop();
    return { ...latencyReading(found, must), aim: 'p50 1.3' };
  },
};
