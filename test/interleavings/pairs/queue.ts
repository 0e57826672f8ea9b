/** How jobs come in, and what they wait for: request ids, DUTs, routes, the room in the queue. */
import { enqueueJob } from '../../../src/farm/enqueue-job.ts';
import { releaseDevice } from '../../../src/farm/release-device.ts';
import { sweepJobs } from '../../../src/farm/sweep.ts';
import { board, connect, done, type TestBot, testResult } from '../../support/bot-calls.ts';
import { jobRequest, mlb } from '../../support/job-requests.ts';
import type { Pair } from '../cross.ts';
import { cancel, running } from '../moves.ts';
import type { Scene } from '../stage.ts';
import { leasesAre, told } from '../words.ts';

const queued = (home: Scene['a'], changes: Parameters<typeof jobRequest>[0]): Promise<string> =>
  enqueueJob(home, jobRequest(changes)).then(() => 'enqueued');

/** All jobs by station, with what holds them. */
const jobsAre = (read: Scene['read']): Promise<string> =>
  read(`select concat_ws(' ', station, state, verdict, failure, held_by) from jobs order by id`);

/** A bot whose poll is held. The clocks of these replicas let nothing last, so it is held by hand. */
const waiting = async (home: Scene['a'], botId: string, says: Parameters<typeof connect>[2] = {}): Promise<TestBot> => {
  const bot = await connect(home, botId, says);
  const session = home.sessions.byName.get(bot.name);
  if (session === undefined) throw new Error(`${botId} is not at home`);
  session.parked = { end: () => undefined };
  home.sessions.parked += 1;
  return bot;
};

export const queuePairs: readonly Pair[] = [
  {
    name: 'enqueue for a bot that waits / its poll at another replica',
    ready: async ({ a, b, read }) => {
      const bot = await waiting(a, 'x');
      return { a: () => queued(a, {}), b: () => bot.poll([], { at: b }).then(told), stands: () => jobsAre(read) };
    },
    ends: [
      ['enqueued', 'PENDING', 'FAT LEASED'],
      ['enqueued', 'nothing', 'FAT QUEUED'],
    ],
  },
  {
    name: 'enqueue for a bot that waits / create, by the same bot',
    ready: async ({ a, b, read }) => {
      await waiting(a, 'x');
      return {
        a: () => queued(a, {}),
        b: () => connect(b, 'x').then(({ created }) => told(created)),
        stands: async () => `${await jobsAre(read)}; ${await leasesAre(read)}`,
      };
    },
    ends: [
      ['enqueued', 'nothing', 'FAT QUEUED; FAT WITHDRAWN'],
      ['enqueued', 'nothing', 'FAT QUEUED; '],
    ],
  },
  {
    name: 'enqueue for a bot that waits / a poll that takes its DUT',
    ready: async ({ a, b, c, read }) => {
      await waiting(a, 'x', { duts: [board('U1')] });
      const rival = await connect(b, 'y', { duts: [board('U1')], status: 2 });
      await enqueueJob(c, jobRequest({ station: 'SMT', requestedBotId: 'y' }));
      return {
        a: () => queued(a, {}),
        b: () => rival.poll([], { status: 1 }).then(told),
        stands: () => jobsAre(read),
      };
    },
    ends: [
      ['enqueued', 'nothing', 'SMT QUEUED, FAT LEASED'],
      ['enqueued', 'PENDING', 'SMT LEASED, FAT QUEUED'],
    ],
  },
  {
    name: 'enqueue / enqueue, one request sent twice',
    ready: async ({ a, b, read }) => {
      const request = { requestId: 'r1', serials: mlb('U1') };
      return { a: () => queued(a, request), b: () => queued(b, request), stands: () => jobsAre(read) };
    },
    ends: [['enqueued', 'enqueued', 'FAT QUEUED']],
  },
  {
    name: 'enqueue / enqueue, one request id for two jobs',
    ready: async ({ a, b, read }) => ({
      a: () => queued(a, { requestId: 'r1', station: 'FAT' }),
      b: () => queued(b, { requestId: 'r1', station: 'SMT' }),
      stands: () => jobsAre(read),
    }),
    ends: [
      ['enqueued', 'REQUEST_ID_REUSED', 'FAT QUEUED'],
      ['REQUEST_ID_REUSED', 'enqueued', 'SMT QUEUED'],
    ],
  },
  {
    name: 'enqueue / enqueue, into the last place of the queue',
    limits: { jobs: { queuedMax: 1 } },
    ready: async ({ a, b, read }) => ({
      a: () => queued(a, { station: 'FAT' }),
      b: () => queued(b, { station: 'SMT' }),
      stands: () => jobsAre(read),
    }),
    ends: [
      ['enqueued', 'QUEUE_FULL', 'FAT QUEUED'],
      ['QUEUE_FULL', 'enqueued', 'SMT QUEUED'],
    ],
  },
  {
    name: 'enqueue / enqueue, on the route of a new DUT',
    ready: async ({ a, b, read }) => ({
      a: () => queued(a, { station: 'FAT', serials: mlb('U1'), route: 'line' }),
      b: () => queued(b, { station: 'SMT', serials: mlb('U1'), route: 'line' }),
      stands: async () => `${await jobsAre(read)}; ${await read('select count(*) from devices')} DUT`,
    }),
    ends: [
      ['enqueued', 'enqueued', 'FAT QUEUED, SMT QUEUED ROUTE; 1 DUT'],
      ['enqueued', 'enqueued', 'SMT QUEUED, FAT QUEUED ROUTE; 1 DUT'],
    ],
  },
  {
    name: 'enqueue / create, which both name a new DUT',
    ready: async ({ a, b, read }) => ({
      a: () => queued(a, { serials: mlb('U1') }),
      b: () => connect(b, 'x', { duts: [board('U1')] }).then(({ created }) => told(created)),
      stands: async () => `${await jobsAre(read)}; ${await read('select count(*) from devices')} DUT`,
    }),
    ends: [
      ['enqueued', 'PENDING', 'FAT LEASED; 1 DUT'],
      ['enqueued', 'nothing', 'FAT QUEUED; 1 DUT'],
    ],
  },
  {
    name: 'create / create, two bots that name a new DUT',
    ready: async ({ a, b, read }) => ({
      a: () => connect(a, 'x', { duts: [board('U1')] }).then(({ created }) => told(created)),
      b: () => connect(b, 'y', { duts: [board('U1')] }).then(({ created }) => told(created)),
      stands: () => read('select count(*) from devices'),
    }),
    ends: [['nothing', 'nothing', '1']],
  },
  {
    name: 'enqueue / complete, which stops the route',
    ready: async ({ a, b, read }) => {
      const { bot, id } = await running(b, 'x', { serials: mlb('U1'), route: 'line' }, { duts: [board('U1')] });
      const failed = done(id, { results: [testResult('probe', 'FAILED')] });
      return {
        a: () => queued(a, { station: 'SMT', serials: mlb('U1'), route: 'line' }),
        b: () => bot.poll([failed]).then(told),
        stands: () => jobsAre(read),
      };
    },
    ends: [
      ['enqueued', 'nothing', 'FAT FINISHED FAILED, SMT QUEUED ROUTE_STOPPED'],
      ['enqueued', 'nothing', 'FAT FINISHED FAILED, SMT QUEUED'],
    ],
  },
  {
    name: 'enqueue / complete, after which the route goes on',
    ready: async ({ a, b, read }) => {
      const { bot, id } = await running(b, 'x', { serials: mlb('U1'), route: 'line' }, { duts: [board('U1')] });
      return {
        a: () => queued(a, { station: 'SMT', serials: mlb('U1'), route: 'line' }),
        b: () => bot.poll([done(id)]).then(told),
        stands: () => jobsAre(read),
      };
    },
    ends: [
      ['enqueued', 'PENDING', 'FAT FINISHED PASSED, SMT LEASED'],
      ['enqueued', 'nothing', 'FAT FINISHED PASSED, SMT QUEUED'],
    ],
  },
  {
    name: 'cancel / complete, of two jobs of one route',
    ready: async ({ a, b, c, read }) => {
      const route = { serials: mlb('U1'), route: 'line' };
      const { bot, id } = await running(b, 'x', route, { duts: [board('U1')] });
      const next = await enqueueJob(c, jobRequest({ ...route, station: 'SMT' }));
      await enqueueJob(c, jobRequest({ ...route, station: 'FAT' }));
      return { a: () => cancel(a, next.id), b: () => bot.poll([done(id)]).then(told), stands: () => jobsAre(read) };
    },
    ends: [
      ['CANCELLED', 'nothing', 'FAT FINISHED PASSED, SMT CANCELLED, FAT QUEUED ROUTE_STOPPED'],
      ['CANCELLING', 'PENDING', 'FAT FINISHED PASSED, SMT CANCELLING, FAT QUEUED ROUTE'],
    ],
  },
  {
    name: 'enqueue / release of its DUT',
    ready: async ({ a, b, c, pool, read }) => {
      await enqueueJob(c, jobRequest({ serials: mlb('U1') }));
      await pool.query(`update devices set held_reason = 'two units, one serial'`);
      const [{ id } = { id: 0 }] = (await pool.query<{ id: number }>('select id from devices')).rows;
      return {
        a: () => queued(a, { station: 'SMT', serials: mlb('U1') }),
        b: () => releaseDevice(b, { instance: 'line-1', id, reason: 'sorted out' }).then(() => 'released'),
        stands: () => jobsAre(read),
      };
    },
    ends: [['enqueued', 'released', 'FAT QUEUED, SMT QUEUED']],
  },
  {
    name: 'queue timeout / cancel',
    ready: async ({ a, b, c, at, read }) => {
      const { id } = await enqueueJob(c, jobRequest({ queueTimeoutMs: 60_000 }));
      await at(60_001);
      return { a: () => sweepJobs(a).then(() => 'swept'), b: () => cancel(b, id), stands: () => jobsAre(read) };
    },
    ends: [
      ['swept', 'ALREADY_FINISHED', 'FAT FAILED QUEUE_TIMEOUT'],
      ['swept', 'CANCELLED', 'FAT CANCELLED'],
    ],
  },
];
