/** A farm in this process, put together as src/main.ts does it, but without doors. */
import { randomUUID } from 'node:crypto';
import { Pump } from '../../src/bridge/pump.ts';
import { createShopfloorClient } from '../../src/bridge/shopfloor-client.ts';
import { defaultLimits, type Limits } from '../../src/core/limits.ts';
import type { Line } from '../../src/core/line.ts';
import type { FarmSeams, Log } from '../../src/farm/farm.ts';
import type { Home } from '../../src/farm/home.ts';
import { openHome } from '../../src/farm/open-home.ts';
import { leaveFarm, stopHome } from '../../src/farm/stop-home.ts';
import { Ticker } from '../../src/farm/ticker.ts';
import { createWakeHub } from '../../src/farm/wake-hub.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { processClock } from '../../src/process-clock.ts';
import { createNotices } from '../../src/store/notices.ts';
import { createPool, poolLimitsOf } from '../../src/store/pool.ts';
import { testLine } from '../support/farm.ts';

export type FarmChanges = {
  /** One, `line-1`, without a shopfloor, by default. */
  readonly lines?: readonly Line[];
  /** Changes to the defaults, group by group. */
  readonly limits?: { readonly [Group in keyof Limits]?: Partial<Limits[Group]> };
  /** Whether owed calls are sent; false: they stay owed. */
  readonly pump?: boolean;
};

export type BenchFarm = { readonly home: Home; readonly close: () => Promise<void> };

export const openFarm = async (url: string, changes: FarmChanges): Promise<BenchFarm> => {
  const limits = limitsWith(changes.limits ?? {});
  const lines = changes.lines ?? [testLine()];
  const pool = createPool(url, poolLimitsOf(limits.postgres));
  // What is counted is counted here too: its cost is the farm's.
  const metrics = createMetrics({ version: 'bench', lines, propertyLabels: [], pool, poolMax: 16 });
  const seams: FarmSeams = {
    replica: randomUUID(),
    pool,
    clock: processClock,
    newId: randomUUID,
    random: Math.random,
    limits,
    lineOf: (instance) => lines.find((line) => line.instance === instance) ?? null,
    log: complaining,
    witness: metrics.witness,
  };
  const hub = createWakeHub({
    replica: seams.replica,
    notices: createNotices(pool, url, limits.postgres.connectMs),
    clock: processClock,
    log: complaining,
    noticesPerSecondMax: limits.replica.wakesPerSecondMax,
    missed: () => undefined,
  });
  const home = openHome({ ...seams, wake: hub.wake, onWake: hub.onWake });
  const ticker = new Ticker(home, ({ replicas }) => {
    hub.setReplicas(replicas);
  });
  await ticker.start();
  hub.start();
  const pump = changes.pump === true ? pumpOf(home) : null;
  pump?.start();
  return {
    home,
    close: async () => {
      await stopHome(home);
      await pump?.stop();
      await hub.stop();
      await ticker.stop();
      await leaveFarm(home);
      metrics.close();
      await pool.end();
    },
  };
};

const pumpOf = (home: Home): Pump =>
  new Pump({
    farm: home,
    createClient: (url) =>
      createShopfloorClient({
        url,
        clock: processClock,
        callTimeoutMs: home.limits.calls.timeoutMs,
        bodyMaxBytes: home.limits.calls.bodyBytesMax,
      }),
  });

/** A farm that is not well is no baseline of anything: what it warns of is for whoever watches. */
const complaining: Log = {
  info: () => undefined,
  warn: (facts, sentence) => void process.stderr.write(`${sentence} ${JSON.stringify(facts)}\n`),
  error: (facts, sentence) => void process.stderr.write(`${sentence} ${JSON.stringify(facts)}\n`),
};

const limitsWith = (changes: { readonly [Group in keyof Limits]?: object }): Limits => ({
  ...defaultLimits,
  ...Object.fromEntries(
    Object.entries(changes).map(([group, values]) => [group, { ...defaultLimits[toGroup(group)], ...values }]),
  ),
});

function toGroup(name: string): keyof Limits {
  return name as keyof Limits;
}
