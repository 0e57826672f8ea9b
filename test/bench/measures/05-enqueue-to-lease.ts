/** How long work takes to reach a bot that waits for it, on the replica where it was enqueued. */
import { setTimeout as wait } from 'node:timers/promises';
import { botIds, newBot, UPDATE, updateRequest } from '../bots.ts';
import { type Connection, openConnections } from '../connection.ts';
import { timeToLease } from '../idle-bot.ts';
import { compareLatencies, latencyReading, REST_MS, type Timed } from '../latency.ts';
import type { Measure } from '../measure.ts';
import { openScratch, type Scratch } from '../scratch.ts';

const must = { p50: 2, p99: 3 };

export const measure: Measure = {
  id: 5,
  name: 'enqueue to lease, bot parked on the same replica',
  inQuick: true,
  run: async ({ site, pairs, quick, say }) => {
    const database = await site.database('latency');
    const scratch = await openScratch(database);
    const farm = await site.serve({ database });
    const echo = await site.echo();
    const [scheduler, bot] = await openConnections(farm.address, 2);
    const [toEcho] = await openConnections(echo.address, 1);
    say('one job at a time');
    const found = await compareLatencies({
      pairs,
      samples: quick ? 60 : 300,
      baseline: insertAndEcho(scratch, toEcho!),
      system: await timeToLease(scheduler!, bot!),
    });
    for (const connection of [scheduler!, bot!, toEcho!]) connection.close();
    await farm.close();
    await echo.close();
    await scratch.close();
    await database.drop();
    return { ...latencyReading(found, must), aim: 'p50 1.3' };
  },
};

/** The least that any farm does: what was enqueued is on disk, and a call is answered. */
const insertAndEcho = (scratch: Scratch, echo: Connection): Timed => {
  const request = updateRequest(newBot(botIds(1)[0]!));
  return async () => {
    await wait(REST_MS);
    const startedMs = performance.now();
    await scratch.insert();
    await echo.ask(UPDATE, request);
    return performance.now() - startedMs;
  };
};
