/** Before a run: whether it could meet real work. A bot without work is given any job that asks for nothing special. */
import { FleetService, ListBotsRequest } from '../../gen/stationgrid/v1/fleet.ts';
import { JobsService, JobState, ListJobsRequest } from '../../gen/stationgrid/v1/jobs.ts';
import { CallState, ListCallsRequest, ShopfloorService } from '../../gen/stationgrid/v1/shopfloor.ts';
import { EXIT } from '../exit-codes.ts';
import { Failure } from '../failure.ts';
import type { Connections } from './connections.ts';
import { pagesOf } from './pages.ts';
import { BOT_PREFIX, isOurs } from './work.ts';

/** @throws Failure where bots, jobs or owed calls of others are in the instance. */
export const refuseRealWork = async (connections: Connections, instance: string): Promise<void> => {
  const signs = [
    await signOfBots(connections, instance),
    await signOfJobs(connections, instance),
    await signOfCalls(connections, instance),
  ].filter((sign) => sign !== null);
  if (signs.length === 0) return;
  const name = instance === '' ? 'the instance without a name' : `the instance ${instance}`;
  throw new Failure(
    EXIT.refused,
    `${name} is at work: ${signs.join('; ')}`,
    'Its jobs could reach the bots of the load, and its figures would be mixed with theirs. Name an instance of its own with ' +
      '--instance, better on a farm of its own. --beside-other-work goes ahead, and stops when a job of others comes.',
  );
};

const signOfBots = async ({ ask }: Connections, instance: string): Promise<string | null> => {
  const pages = pagesOf(
    (page) => ask(FleetService.listBots, ListBotsRequest.create({ instance, connectedOnly: true, ...page })),
    ({ bots }) => bots,
  );
  for await (const bots of pages) {
    const other = bots.find(({ botId }) => !botId.startsWith(BOT_PREFIX));
    if (other !== undefined) return `the bot ${other.botId} is connected`;
  }
  return null;
};

const OPEN = [JobState.QUEUED, JobState.LEASED, JobState.CANCELLING];

const signOfJobs = async ({ ask }: Connections, instance: string): Promise<string | null> => {
  const pages = pagesOf(
    (page) => ask(JobsService.listJobs, ListJobsRequest.create({ instance, states: OPEN, ...page })),
    ({ jobs }) => jobs,
  );
  for await (const jobs of pages) {
    const other = jobs.find((job) => !isOurs(job, null));
    if (other !== undefined) return `job ${String(other.id)} has not ended`;
  }
  return null;
};

const signOfCalls = async ({ ask }: Connections, instance: string): Promise<string | null> => {
  const states = [CallState.OWED, CallState.DEAD];
  const request = ListCallsRequest.create({ instance, states, pageSize: 1 });
  const [call] = (await ask(ShopfloorService.listCalls, request)).calls;
  return call === undefined ? null : 'its shopfloor is owed calls';
};
