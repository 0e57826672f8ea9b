/** Ten thousand bots that wait on one replica for ten minutes: nothing fails, and it costs next to nothing. */
import { setTimeout as wait } from 'node:timers/promises';
import { botIds, createSessions, updateRequest } from '../bots.ts';
import { judge, worst } from '../compare.ts';
import { type Connection, openConnection } from '../connection.ts';
import { BOTS_A_CONNECTION, type Crowd, openCrowd } from '../crowd.ts';
import type { Measure } from '../measure.ts';
import { parkedPolls, type ServingProcess } from '../processes.ts';
import { count } from '../report.ts';

const FULL = { bots: 10_000, seconds: 600 };
/** A fifth of the bots for a tenth of the time. */
const QUICK = { bots: 2_000, seconds: 60 };
const CPU_SHARE_MAX = 0.15;
const AT_MOST = { bots: 50_000, gib: 2.5 };
const GIB = 2 ** 30;
const SETTLE_MS = 3_000;

export const measure: Measure = {
  id: 8,
  name: 'bots parked on one replica',
  inQuick: false,
  run: async ({ site, quick, say }) => {
    const { bots, seconds } = quick ? QUICK : FULL;
    const database = await site.database('parked');
    const farm = await site.serve({ database });
    const crowd = openCrowd();
    const connections: Connection[] = [];
    const memory: (readonly [number, number])[] = [[0, (await farm.held()).rssBytes / GIB]];
    const step = bots / 5;
    for (let from = 0; from < bots; from += step) {
      say(`${count(from + step)} bots come`);
      connections.push(...(await settle(farm, crowd, { from, step })));
      memory.push([from + step, (await farm.held()).rssBytes / GIB]);
    }
    say(`${count(bots)} bots wait for ${seconds} s`);
    const before = await farm.usage();
    await wait(seconds * 1_000);
    const cpuShare = ((await farm.usage()).cpuMs - before.cpuMs) / (seconds * 1_000);
    const parked = await parkedPolls(farm);
    const [failed, answered] = [crowd.failed(), crowd.answered()];
    crowd.stop();
    for (const connection of connections) connection.close();
    await farm.close();
    await database.drop();
    const gib = atMost(memory);
    // A few are on their way between one poll and the next.
    const held = Math.min(bots, parked + bots / 100) - failed;
    return {
      ratio: held,
      more: { failed, answered, idleCpuShare: cpuShare, gibAt50k: gib },
      spread: 0,
      baselineSpread: null,
      baseline: '–',
      system: `${count(held)} bots, ${(cpuShare * 100).toFixed(1)} % of a core, ${gib.toFixed(2)} GiB at ${count(AT_MOST.bots)}`,
      n: 1,
      must: `≥ ${count(bots)} without an error for ${seconds} s, idle CPU ≤ ${CPU_SHARE_MAX * 100} % of a core, ≤ ${AT_MOST.gib} GiB at ${count(AT_MOST.bots)}`,
      aim: '50,000',
      verdict: worst([
        judge(held, { must: bots, better: 'higher' }, null),
        judge(cpuShare, { must: CPU_SHARE_MAX, better: 'lower' }, null),
        judge(gib, { must: AT_MOST.gib, better: 'lower' }, null),
      ]),
      plot: { title: 'Memory of a replica against parked bots', x: 'parked bots', y: 'GiB', points: memory },
    };
  },
};

/** So many more bots come, and wait. */
const settle = async (
  farm: ServingProcess,
  crowd: Crowd,
  { from, step }: { readonly from: number; readonly step: number },
): Promise<readonly Connection[]> => {
  const connections: Connection[] = [];
  for (let at = 0; at < step; at += BOTS_A_CONNECTION) {
    const connection = await openConnection(farm.address);
    connections.push(connection);
    const names = botIds(Math.min(BOTS_A_CONNECTION, step - at), from + at);
    for (const session of await createSessions([connection], names))
      crowd.add({ connection, request: updateRequest(session) });
  }
  await wait(SETTLE_MS);
  return connections;
};

/** What the replica would take with 50,000: the slope of what was seen goes on. */
const atMost = (memory: readonly (readonly [number, number])[]): number => {
  const [[few, small], [many, large]] = [memory[1]!, memory.at(-1)!];
  return large + ((large - small) / (many - few)) * (AT_MOST.bots - many);
};
