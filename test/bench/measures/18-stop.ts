/** A replica is told to stop while many bots wait on it: how long it takes, and whether a bot notices more than a move. */
import { setTimeout as wait } from 'node:timers/promises';
import { botIds, createSessions, POLL, updateRequest } from '../bots.ts';
import { judge, median, spreadOf, worst } from '../compare.ts';
import { type Connection, openConnections } from '../connection.ts';
import { BOTS_A_CONNECTION } from '../crowd.ts';
import type { Measure } from '../measure.ts';
import { parkedPolls, type ServingProcess } from '../processes.ts';
import { count, seconds } from '../report.ts';

const must = 3;
const LOOK_MS = 100;
/** For all bots to wait on a replica; what takes longer does not come. */
const PARKED_MAX_MS = 120_000;

export const measure: Measure = {
  id: 18,
  name: 'SIGTERM with parked polls',
  inQuick: false,
  run: async ({ site, quick, say }) => {
    const bots = quick ? 1_000 : 10_000;
    const database = await site.database('stop');
    let leaving = await site.serve({ database });
    const named = await openConnections(leaving.address, bots / BOTS_A_CONNECTION);
    say(`${count(bots)} bots come`);
    const requests = (await createSessions(named, botIds(bots))).map(updateRequest);
    for (const connection of named) connection.close();
    const took: number[] = [];
    let failed = 0;
    for (let run = 0; run < (quick ? 1 : 3); run += 1) {
      const staying = await site.serve({ database });
      const from = await openConnections(leaving.address, bots / BOTS_A_CONNECTION);
      const to = await openConnections(staying.address, bots / BOTS_A_CONNECTION);
      const moved = requests.map((request, at) => move(from[at % from.length]!, to[at % to.length]!, request));
      await allParked(leaving, bots);
      say('the replica is told to stop');
      const startedMs = performance.now();
      leaving.send('SIGTERM');
      const [how] = await Promise.all([leaving.ended, Promise.all(moved.map(({ answered }) => answered))]);
      took.push((performance.now() - startedMs) / 1_000);
      if (how !== 0) throw new Error(`the replica left with ${how}:\n${leaving.log()}`);
      say('the bots go on at the other');
      await allParked(staying, bots);
      failed += moved.filter(({ hasFailed }) => hasFailed()).length;
      for (const connection of [...from, ...to]) connection.close();
      leaving = staying;
    }
    await leaving.close();
    await database.drop();
    const slowest = Math.max(...took);
    return {
      ratio: slowest,
      more: { medianSeconds: median(took), failedBots: failed },
      spread: spreadOf(took),
      baselineSpread: null,
      baseline: '–',
      system: `${seconds(slowest)} with ${count(bots)} bots, ${count(failed)} of which failed`,
      n: took.length,
      must: `≤ ${must} s, no failed call seen by a bot that retries once`,
      aim: '1 s',
      verdict: worst([
        judge(slowest, { must, better: 'lower' }, null),
        judge(failed, { must: 0, better: 'lower' }, null),
      ]),
    };
  },
};

type Moving = {
  /** Resolves when the poll at the first replica has ended, one way or the other. */
  readonly answered: Promise<void>;
  /** A call of it failed, and so did the one try after it. */
  readonly hasFailed: () => boolean;
};

/** A bot that polls at one replica, and then, come what may, at the other. */
const move = (from: Connection, to: Connection, request: Uint8Array): Moving => {
  let failures = 0;
  const poll = (): void => {
    to.call(POLL, request, (reply) => {
      if (reply === null) failures += 1;
      if (failures < 2 && !to.isLeaving()) poll();
    });
  };
  const answered = new Promise<void>((resolve) => {
    from.call(POLL, request, (reply) => {
      if (reply === null) failures += 1;
      resolve();
      poll();
    });
  });
  return { answered, hasFailed: () => failures >= 2 };
};

const allParked = async (farm: ServingProcess, bots: number): Promise<void> => {
  const endMs = performance.now() + PARKED_MAX_MS;
  while ((await parkedPolls(farm)) < bots) {
    if (performance.now() > endMs) return;
    await wait(LOOK_MS);
  }
};
