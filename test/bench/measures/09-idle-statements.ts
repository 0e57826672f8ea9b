/** What a farm asks of PostgreSQL while nothing happens, with bots and without. */
import { setTimeout as wait } from 'node:timers/promises';
import { botIds, createSessions, updateRequest } from '../bots.ts';
import { judge } from '../compare.ts';
import { openConnection } from '../connection.ts';
import { openCrowd } from '../crowd.ts';
import type { Measure } from '../measure.ts';

const must = 1;
/** For what the start and the arrival of the bots have brought to be done. */
const REST_MS = 8_000;

export const measure: Measure = {
  id: 9,
  name: 'idle SQL statements per second and replica',
  inQuick: false,
  run: async ({ site, quick, say }) => {
    const [bots, seconds] = quick ? [200, 30] : [1_000, 120];
    const database = await site.database('idle');
    const statements = await site.countStatements(database);
    const farm = await site.serve({ database });
    const perSecond = async (): Promise<number> => {
      await wait(REST_MS);
      const before = statements();
      await wait(seconds * 1_000);
      return (statements() - before) / seconds;
    };
    say(`${seconds} s without bots`);
    const alone = await perSecond();
    const connection = await openConnection(farm.address);
    const crowd = openCrowd();
    for (const session of await createSessions([connection], botIds(bots)))
      crowd.add({ connection, request: updateRequest(session) });
    say(`${seconds} s with ${bots} bots`);
    const accompanied = await perSecond();
    crowd.stop();
    connection.close();
    await farm.close();
    await database.drop();
    return {
      ratio: accompanied,
      more: { withoutBots: alone },
      spread: 0,
      baselineSpread: null,
      baseline: `${alone.toFixed(2)} /s without bots`,
      system: `${accompanied.toFixed(2)} /s with ${bots}`,
      n: seconds,
      must: `≤ ${must}, whatever the bots`,
      aim: '0.3',
      verdict: judge(accompanied, { must, better: 'lower' }, null),
      plot: {
        title: 'Idle statements against parked bots',
        x: 'parked bots',
        y: 'statements /s',
        points: [
          [0, alone],
          [bots, accompanied],
        ],
      },
    };
  },
};
