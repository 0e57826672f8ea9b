/** Jobs from their enqueueing to their results, all of it over gRPC: three calls each, and as many commits waited for. */
import type { BotSession } from '../../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { LeaseState } from '../../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { EnqueueJobRequest } from '../../../src/gen/stationgrid/v1/jobs.ts';
import {
  botIds,
  completing,
  createSessions,
  ENQUEUE,
  jobRequest,
  POLL,
  reporting,
  sessionIn,
  startLeases,
  updateRequest,
} from '../bots.ts';
import { calling, updating, withConnections } from '../calling.ts';
import { comparePairs, judge } from '../compare.ts';
import type { Connection } from '../connection.ts';
import type { Measure } from '../measure.ts';
import { compared, rate } from '../report.ts';

/** Each has one call under way. */
const BOTS = 200;
const CONNECTIONS = 16;
const CALLS_A_JOB = 3;
const must = 0.5;

export const measure: Measure = {
  id: 21,
  name: 'whole jobs through gRPC, calls',
  inQuick: true,
  run: async ({ site, pairs, quick, say }) => {
    const database = await site.database('jobs');
    const servers = { farm: await site.serve({ database }), echo: await site.echo() };
    const forMs = quick ? 2_000 : 5_000;
    const found = await withConnections(servers, CONNECTIONS, async (to) => {
      say(`${BOTS} bots begin a lease each`);
      const sessions = await startLeases(to.farm, await createSessions(to.farm, botIds(BOTS)));
      say('jobs are enqueued, leased, begun and completed');
      const requests = sessions.map(updateRequest);
      const echo = calling(servers.echo, { callers: updating(to.echo, requests, BOTS), forMs });
      const callers = sessions.map((session, at) => working(to.farm[at % CONNECTIONS]!, session));
      const farm = calling(servers.farm, { callers, forMs });
      return comparePairs({ pairs, baseline: echo.run, system: farm.run });
    });
    await servers.farm.close();
    await servers.echo.close();
    await database.drop();
    return {
      ...compared(found, rate),
      more: { jobsPerSecond: found.system / CALLS_A_JOB },
      must: `≥ ${must}`,
      aim: '0.7',
      verdict: judge(found.ratio, { must, better: 'higher' }, found.baselineSpread),
    };
  },
};

const anyBot = EnqueueJobRequest.encode(jobRequest(null)).finish();

/** A bot with a running lease, which enqueues one job more before it completes its own: there is always a next one. */
const working = (connection: Connection, running: BotSession): (() => Promise<number>) => {
  let session = running;
  const update = async (): Promise<void> => {
    session = sessionIn(await connection.ask(POLL, updateRequest(session)));
  };
  return async () => {
    await connection.ask(ENQUEUE, anyBot);
    session = completing(session);
    await update();
    const [lease] = session.leases;
    if (lease?.state !== LeaseState.PENDING) throw new Error(`${session.botId} completed its lease and got no other`);
    session = reporting(session, LeaseState.ACTIVE);
    await update();
    return CALLS_A_JOB;
  };
};
