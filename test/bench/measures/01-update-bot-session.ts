/** A bot that runs a lease reports it again and again, unchanged: what a farm hears most of. */
import { botIds, createSessions, startLeases, updateRequest } from '../bots.ts';
import { calling, updating, withConnections } from '../calling.ts';
import { comparePairs, judge } from '../compare.ts';
import type { Measure } from '../measure.ts';
import { compared, rate } from '../report.ts';

/**
 * So many that none calls more often than ten times a second, beyond which a bot is paced. That is also how it is in life:
 * many bots, each now and then.
 */
const BOTS = 2_000;
const CONNECTIONS = 16;
/** Calls under way. */
const CALLERS = 64;
const must = 0.7;

export const measure: Measure = {
  id: 1,
  name: 'UpdateBotSession, lease unchanged',
  inQuick: true,
  run: async ({ site, pairs, quick, say }) => {
    const database = await site.database('update');
    const servers = { farm: await site.serve({ database }), echo: await site.echo() };
    const forMs = quick ? 1_500 : 4_000;
    const found = await withConnections(servers, CONNECTIONS, async (to) => {
      say(`${BOTS} bots begin a lease each`);
      const sessions = await createSessions(to.farm, botIds(BOTS));
      const requests = (await startLeases(to.farm, sessions)).map(updateRequest);
      say('both answer');
      const echo = calling(servers.echo, { callers: updating(to.echo, requests, CALLERS), forMs });
      const farm = calling(servers.farm, { callers: updating(to.farm, requests, CALLERS), forMs });
      const compared = await comparePairs({ pairs, baseline: echo.run, system: farm.run });
      return { compared, cpuRatio: echo.cpuMs() / farm.cpuMs() };
    });
    await servers.farm.close();
    await servers.echo.close();
    await database.drop();
    return {
      ...compared(found.compared, rate),
      // Of the servers' processes alone: the client's share of the machine left out.
      more: { cpuRatio: found.cpuRatio },
      must: `≥ ${must}`,
      aim: '0.85',
      verdict: judge(found.compared.ratio, { must, better: 'higher' }, found.compared.baselineSpread),
    };
  },
};
