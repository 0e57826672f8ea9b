/** What order, journal and record cost: the bridge beside a loop of the same XML-RPC client, to the same shopfloor. */
import { randomUUID } from 'node:crypto';
import { createShopfloorClient } from '../../../src/bridge/shopfloor-client.ts';
import { defaultLimits } from '../../../src/core/limits.ts';
import { processClock } from '../../../src/process-clock.ts';
import { ask } from '../backlog.ts';
import { comparePairs, judge } from '../compare.ts';
import { furnishOwed } from '../history.ts';
import { benchLimits, benchLine } from '../line.ts';
import type { Bench, Measure } from '../measure.ts';
import { openPlant } from '../plant.ts';
import { compared, rate } from '../report.ts';
import { openPartner, type Partner } from '../shopfloor.ts';
import { runSeconds } from '../side.ts';

const MUST = 0.75;
const LANES = 256;
/** More than are delivered in all runs. */
const CALLS = 600_000;
const WARM_MS = 1_000;
/** As the bridge does to one shopfloor, by default. */
const AT_ONCE = defaultLimits.lanes.concurrentMax;

export const measure: Measure = {
  id: 14,
  name: 'bridge deliveries a second against a bare XML-RPC client loop',
  inQuick: false,
  run: async (bench) => {
    const partner = await openPartner(bench);
    const plant = await openPlant(bench, { name: 'bridge', queued: 100, bots: 4 });
    try {
      const jobId = await plant.finishOne();
      await furnishOwed(plant.ownerUrl, { jobId, calls: bench.quick ? CALLS / 10 : CALLS, lanes: LANES });
      await plant.leave();
      const bridge = bridgeOf(bench, plant, partner);
      // The first deliveries render the bodies that the bare loop sends.
      await bridge(1);
      const bodies = await readBodies(plant.ownerUrl);
      const seconds = runSeconds(bench);
      const pairs = await comparePairs({
        pairs: bench.pairs,
        baseline: () => bareLoop(partner.url, bodies, seconds),
        system: () => bridge(seconds),
      });
      return {
        ...compared(pairs, rate),
        must: '≥ 0.75',
        aim: '0.9',
        verdict: judge(pairs.ratio, { must: MUST, better: 'higher' }, pairs.baselineSpread),
      };
    } finally {
      await plant.close();
      await partner.close();
    }
  },
};

type Body = { readonly method: string; readonly body: string };

const readBodies = async (ownerUrl: string): Promise<readonly Body[]> => {
  const rows = await ask(ownerUrl, `select method, body from shopfloor_calls where state = 'DELIVERED' limit 3000`);
  return rows.map(({ method, body }) => ({ method: String(method), body: String(body) }));
};

/** Calls a second that a farm with a pump has seen delivered. */
const bridgeOf =
  ({ site }: Bench, plant: { readonly url: string; readonly ownerUrl: string }, partner: Partner) =>
  async (seconds: number): Promise<number> => {
    const lines = [benchLine(partner.url)];
    const farm = await site.openFarm(plant.url, { lines, limits: benchLimits, pump: true });
    try {
      await sleep(WARM_MS);
      const before = await delivered(plant.ownerUrl);
      await sleep(seconds * 1000);
      const after = await delivered(plant.ownerUrl);
      return ((after.calls - before.calls) * 1000) / (after.atMs - before.atMs);
    } finally {
      await farm.close();
    }
  };

/** Of a lane, all before its head are settled. */
const delivered = async (ownerUrl: string): Promise<{ readonly calls: number; readonly atMs: number }> => {
  const [row] = await ask(ownerUrl, 'select sum(head_position)::integer as n from lanes');
  return { calls: Number(row?.['n']), atMs: performance.now() };
};

const bareLoop = async (url: string, bodies: readonly Body[], seconds: number): Promise<number> => {
  const client = createShopfloorClient({ url, clock: processClock });
  let calls = 0;
  let isOver = false;
  const loop = async (first: number): Promise<void> => {
    for (let at = first; !isOver; at += AT_ONCE) {
      const { method, body } = bodies[at % bodies.length] ?? { method: '', body: '' };
      const { kind } = await client.call(method, body, { idempotencyKey: randomUUID() });
      if (kind !== 'answered') throw new Error(`the shopfloor did not take a call: ${kind}`);
      calls += 1;
    }
  };
  const loops = Promise.all(Array.from({ length: AT_ONCE }, (_, first) => loop(first)));
  await Promise.race([sleep(WARM_MS), loops]);
  const startedMs = performance.now();
  calls = 0;
  await Promise.race([sleep(seconds * 1000), loops]);
  const perSecond = (calls * 1000) / (performance.now() - startedMs);
  isOver = true;
  await loops;
  client.close();
  return perSecond;
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
