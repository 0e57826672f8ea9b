/** What a bot that waits costs: its session, its parked poll, and what gRPC keeps for a call under way. */
import { setTimeout as wait } from 'node:timers/promises';
import { botIds, createSessions, newBot, updateRequest } from '../bots.ts';
import { comparePairs, judge, median } from '../compare.ts';
import { type Connection, openConnection } from '../connection.ts';
import { openCrowd } from '../crowd.ts';
import type { Measure } from '../measure.ts';
import type { BareServer } from '../processes.ts';
import { compared, kib } from '../report.ts';

const must = 1.25;
/** For the last of a step's calls to arrive, and for what they left behind. */
const SETTLE_MS = 1_500;

export const measure: Measure = {
  id: 7,
  name: 'memory per parked bot',
  inQuick: true,
  run: async ({ site, pairs, quick, say }) => {
    const database = await site.database('memory');
    const farm = await site.serve({ database });
    const echo = await site.echo({ holds: true });
    const step = quick ? 500 : 1_000;
    const toFarm = growing(farm, step, createSessions);
    const toEcho = growing(echo, step, (_connections, names) =>
      Promise.resolve(names.map((name) => ({ ...newBot(name), name: `line-1/${name.padEnd(36, '-')}` }))),
    );
    say(`${step} bots more at a time`);
    // Each pair goes on from the one before: what is compared is the slope.
    const found = await comparePairs({ pairs, baseline: toEcho.grow, system: toFarm.grow });
    const [failures, rssRatio] = [toFarm.failed(), toFarm.rss() / toEcho.rss()];
    toFarm.end();
    toEcho.end();
    await farm.close();
    await echo.close();
    await database.drop();
    if (failures > 0) throw new Error(`${failures} parked polls failed`);
    return {
      ...compared(found, kib),
      more: { rssRatio },
      must: `≤ ${must}`,
      aim: '1.1',
      verdict: judge(found.ratio, { must, better: 'lower' }, found.baselineSpread),
    };
  },
};

/** A server that is given more and more bots, each step of them on a connection of its own. */
const growing = (server: BareServer, step: number, sessionsOf: typeof createSessions) => {
  const crowd = openCrowd();
  const connections: Connection[] = [];
  const rssOfSteps: number[] = [];
  return {
    /** Bytes a bot, of those that came in this step. */
    grow: async (): Promise<number> => {
      const connection = await openConnection(server.address);
      const before = await server.held();
      const sessions = await sessionsOf([connection], botIds(step, connections.length * step));
      connections.push(connection);
      for (const session of sessions) crowd.add({ connection, request: updateRequest(session) });
      await wait(SETTLE_MS);
      const after = await server.held();
      rssOfSteps.push((after.rssBytes - before.rssBytes) / step);
      return (after.heldBytes - before.heldBytes) / step;
    },
    rss: () => median(rssOfSteps.slice(1)),
    failed: crowd.failed,
    end: () => {
      crowd.stop();
      for (const connection of connections) connection.close();
    },
  };
};
