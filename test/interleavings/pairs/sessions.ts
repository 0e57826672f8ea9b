/** Bot sessions: who is their home, when they end, and what stands against their bots. */
import { drainBots } from '../../../src/farm/drain-bots.ts';
import { enqueueJob } from '../../../src/farm/enqueue-job.ts';
import { postBotEvent } from '../../../src/farm/post-bot-event.ts';
import { quarantineBot } from '../../../src/farm/quarantine-bot.ts';
import { reportTestResults } from '../../../src/farm/report-test-results.ts';
import { sweepLeases, sweepSessions } from '../../../src/farm/sweep.ts';
import { tickOnce } from '../../../src/farm/tick.ts';
import { active, board, connect, done, testResult } from '../../support/bot-calls.ts';
import { jobRequest, mlb } from '../../support/job-requests.ts';
import type { Pair } from '../cross.ts';
import { cancel, running } from '../moves.ts';
import { jobIs, leasesAre, resultsAre, sessionsAre, told } from '../words.ts';

const TTL_MS = 90_000;

export const sessionPairs: readonly Pair[] = [
  {
    name: 'create / create, two bots with one id',
    ready: async ({ a, b, c, read }) => {
      await enqueueJob(c, jobRequest());
      return {
        a: () => connect(a, 'x').then(({ created }) => told(created)),
        b: () => connect(b, 'x').then(({ created }) => told(created)),
        stands: async () => `${await sessionsAre(read)}; ${await leasesAre(read)}`,
      };
    },
    ends: [
      ['PENDING', 'PENDING', 'x CLOSED, x OPEN; FAT PENDING, FAT WITHDRAWN'],
      ['nothing', 'PENDING', 'x CLOSED, x OPEN; FAT PENDING'],
      ['PENDING', 'nothing', 'x CLOSED, x OPEN; FAT PENDING'],
    ],
  },
  {
    name: 'create / create, with the lease and without it',
    ready: async ({ a, b, c, read }) => {
      const { job, id } = await running(c, 'x');
      return {
        a: () => connect(a, 'x', { leases: [active(id)] }).then(({ created }) => told(created)),
        b: () => connect(b, 'x', { status: 2 }).then(({ created }) => told(created)),
        stands: () => jobIs(read, job),
      };
    },
    ends: [
      ['ACTIVE', 'nothing', 'QUEUED'],
      ['nothing', 'nothing', 'QUEUED'],
    ],
  },
  {
    name: 'complete / create, with the lease',
    ready: async ({ a, b, read }) => {
      const { job, bot, id } = await running(a, 'x');
      return {
        a: () => bot.poll([done(id)]).then(told),
        b: () => connect(b, 'x', { leases: [active(id)] }).then(({ created }) => told(created)),
        stands: () => jobIs(read, job),
      };
    },
    ends: [
      ['nothing', 'nothing', 'FINISHED PASSED'],
      ['SESSION_CLOSED', 'ACTIVE', 'LEASED'],
    ],
  },
  {
    name: 'complete / create, without the lease',
    ready: async ({ a, b, read }) => {
      const { job, bot, id } = await running(a, 'x');
      return {
        a: () => bot.poll([done(id)]).then(told),
        b: () => connect(b, 'x', { status: 2 }).then(({ created }) => told(created)),
        stands: async () => `${await jobIs(read, job)}, results ${await resultsAre(read)}`,
      };
    },
    ends: [
      ['nothing', 'nothing', 'FINISHED PASSED, results probe'],
      ['SESSION_CLOSED', 'nothing', 'QUEUED, results '],
    ],
  },
  {
    name: 'grant / create, of the same bot',
    ready: async ({ a, b, c, read }) => {
      const bot = await connect(a, 'x');
      const { id } = await enqueueJob(c, jobRequest());
      return {
        a: () => bot.poll().then(told),
        b: () => connect(b, 'x', { status: 2 }).then(({ created }) => told(created)),
        stands: () => jobIs(read, id),
      };
    },
    ends: [
      ['PENDING', 'nothing', 'QUEUED'],
      ['SESSION_CLOSED', 'nothing', 'QUEUED'],
    ],
  },
  {
    name: 'a result / create',
    ready: async ({ a, b, read }) => {
      const { bot, id } = await running(a, 'x', { serials: mlb('U1') }, { duts: [board('U1')] });
      const report = { session: bot.name, caller: null, leaseId: id, results: [testResult('probe', 'PASSED')] };
      return {
        a: () => reportTestResults(a, report).then(({ fenced }) => (fenced ? 'fenced' : 'stored')),
        b: () => connect(b, 'x', { leases: [active(id)], duts: [board('U1')] }).then(({ created }) => told(created)),
        stands: () => resultsAre(read),
      };
    },
    ends: [
      ['stored', 'ACTIVE', 'probe'],
      ['SESSION_CLOSED', 'ACTIVE', ''],
    ],
  },
  {
    name: 'cancel / create, without the lease',
    ready: async ({ a, b, c, read }) => {
      const { job } = await running(c, 'x', { serials: mlb('U1') }, { duts: [board('U1')] });
      return {
        a: () => cancel(a, job),
        b: () => connect(b, 'x', { status: 2, duts: [board('U1')] }).then(({ created }) => told(created)),
        stands: () => jobIs(read, job),
      };
    },
    ends: [
      ['CANCELLING', 'nothing', 'CANCELLED'],
      ['CANCELLED', 'nothing', 'CANCELLED'],
    ],
  },
  {
    name: 'attach / attach',
    ready: async ({ a, b, c, read }) => {
      const { bot, id } = await running(c, 'x');
      const homes = `case home_replica when $1 then 'A' when $2 then 'B' end || ' by epoch ' || attach_epoch`;
      return {
        a: () => bot.poll([active(id)], { at: a }).then(told),
        b: () => bot.poll([active(id)], { at: b }).then(told),
        stands: () => read(`select ${homes} from bot_sessions`, [a.replica, b.replica]),
      };
    },
    ends: [
      ['ACTIVE', 'ACTIVE', 'B by epoch 3'],
      ['ACTIVE', 'ACTIVE', 'A by epoch 3'],
    ],
  },
  {
    name: 'a write by an old home / attach',
    ready: async ({ a, b, read }) => {
      const { bot, id } = await running(a, 'x');
      const homes = `case home_replica when $1 then 'A' when $2 then 'B' end || ' by epoch ' || attach_epoch`;
      return {
        a: () => bot.poll([active(id)], { version: '2' }).then(told),
        b: () => bot.poll([active(id)], { at: b }).then(told),
        stands: () => read(`select ${homes} || ', version ' || version from bot_sessions`, [a.replica, b.replica]),
      };
    },
    ends: [
      ['ACTIVE', 'ACTIVE', 'B by epoch 2, version 1'],
      ['ACTIVE', 'ACTIVE', 'A by epoch 3, version 2'],
    ],
  },
  {
    name: 'renew / expire',
    ready: async ({ a, b, c, at, pool, read }) => {
      const bot = await connect(a, 'x', { status: 2 });
      // Soon enough to be answered from memory, so that only its home knows of it.
      await at(15_000);
      await bot.poll();
      await at(TTL_MS + 1);
      // Another replica is alive, so that it was no outage; the session's own home was not heard of.
      await pool.query('insert into replicas (id) values ($1)', [c.replica]);
      return {
        a: () =>
          tickOnce(a, { lastMs: TTL_MS }).then(({ moved, busy }) =>
            moved.length > 0 ? 'gone' : busy.length > 0 ? 'busy' : 'renewed',
          ),
        b: () => sweepSessions(b).then(() => 'swept'),
        stands: () => sessionsAre(read),
      };
    },
    ends: [
      ['renewed', 'swept', 'x OPEN'],
      ['gone', 'swept', 'x CLOSED'],
      ['busy', 'swept', 'x CLOSED'],
    ],
  },
  {
    name: 'expire / expire',
    ready: async ({ a, b, c, at, read }) => {
      await connect(c, 'x');
      const { id } = await enqueueJob(c, jobRequest());
      await connect(c, 'y');
      await at(TTL_MS + 1);
      return {
        a: () => sweepSessions(a).then(() => 'swept'),
        b: () => sweepSessions(b).then(() => 'swept'),
        stands: async () =>
          `${await sessionsAre(read)}; ${await jobIs(read, id)}; ${await read(`select count(*) from farm_events where kind = 'SESSION_LAPSED'`)} lapsed`,
      };
    },
    ends: [['swept', 'swept', 'x CLOSED, y CLOSED; QUEUED; 2 lapsed']],
  },
  {
    name: 'expire / attach',
    ready: async ({ a, b, c, at, read }) => {
      const bot = await connect(c, 'x', { status: 2 });
      await at(TTL_MS + 1);
      return {
        a: () => sweepSessions(a).then(() => 'swept'),
        b: () => bot.poll([], { at: b }).then(told),
        stands: () => sessionsAre(read),
      };
    },
    ends: [
      ['swept', 'SESSION_CLOSED', 'x CLOSED'],
      ['swept', 'nothing', 'x OPEN'],
    ],
  },
  {
    name: 'loss / attach, of a lapsed session that runs something',
    ready: async ({ a, b, c, at, read }) => {
      const { job, bot, id } = await running(c, 'x');
      await at(TTL_MS + 1);
      await sweepSessions(c);
      return {
        a: () => sweepLeases(a).then(() => 'swept'),
        b: () => bot.poll([active(id)], { at: b }).then(told),
        stands: async () => `${await sessionsAre(read)}; ${await jobIs(read, job)}`,
      };
    },
    ends: [
      ['swept', 'SESSION_CLOSED', 'x CLOSED; QUEUED'],
      ['swept', 'ACTIVE', 'x OPEN; LEASED'],
    ],
  },
  {
    name: 'loss / create, with the lease',
    ready: async ({ a, b, c, at, read }) => {
      const says = { duts: [board('U1')] };
      const { id } = await running(c, 'x', { serials: mlb('U1') }, says);
      await enqueueJob(c, jobRequest({ station: 'SMT', serials: mlb('U1') }));
      await at(TTL_MS + 1);
      await sweepSessions(c);
      return {
        a: () => sweepLeases(a).then(() => 'swept'),
        b: () => connect(b, 'x', { ...says, leases: [active(id)] }).then(({ created }) => told(created)),
        stands: async () => `${await leasesAre(read)}; ${await read('select settling_reason from devices')}`,
      };
    },
    ends: [
      ['swept', 'nothing', 'FAT LOST; its bot was not heard of for longer than lost_after'],
      ['swept', 'ACTIVE', 'FAT ACTIVE; null'],
    ],
  },
  {
    name: 'quarantine / create',
    ready: async ({ a, b, c, read }) => {
      await connect(c, 'x');
      const { id } = await enqueueJob(c, jobRequest());
      return {
        a: () => quarantineBot(a, { instance: 'line-1', botId: 'x', reason: 'smoke' }).then(() => 'quarantined'),
        b: () => connect(b, 'x').then(({ created }) => told(created)),
        stands: () => jobIs(read, id),
      };
    },
    ends: [
      ['quarantined', 'nothing', 'QUEUED'],
      ['quarantined', 'PENDING', 'LEASED'],
    ],
  },
  {
    name: 'drain / grant',
    ready: async ({ a, b, c, read }) => {
      const bot = await connect(b, 'x');
      const { id } = await enqueueJob(c, jobRequest());
      const drain = { instance: 'line-1', pattern: 'x', note: 'for repair', expiresInMs: null };
      return {
        a: () => drainBots(a, drain).then(() => 'drained'),
        b: () => bot.poll().then(told),
        stands: () => jobIs(read, id),
      };
    },
    ends: [['drained', 'PENDING', 'LEASED']],
  },
  {
    name: 'an ERROR event / an ERROR event, at the limit',
    limits: { bots: { errorsMax: 2 } },
    ready: async ({ a, b, c, read }) => {
      const bot = await connect(c, 'x');
      const event = { session: bot.name, caller: null, type: 2, message: 'smoke' };
      return {
        a: () => postBotEvent(a, event).then(() => 'posted'),
        b: () => postBotEvent(b, event).then(() => 'posted'),
        stands: () => read(`select error_events || ' errors, ' || quarantine_reason from bots`),
      };
    },
    ends: [['posted', 'posted', '2 errors, 2 ERROR events in a row; the last: smoke']],
  },
  {
    name: 'complete, which clears errors / an ERROR event',
    ready: async ({ a, b, read }) => {
      const { job, bot, id } = await running(a, 'x');
      await postBotEvent(b, { session: bot.name, caller: null, type: 2, message: 'smoke' });
      return {
        a: () => bot.poll([done(id)]).then(told),
        b: () => postBotEvent(b, { session: bot.name, caller: null, type: 2, message: 'fire' }).then(() => 'posted'),
        stands: async () => `${await jobIs(read, job)}; ${await read(`select error_events from bots`)} errors`,
      };
    },
    ends: [
      ['nothing', 'posted', 'FINISHED PASSED; 1 errors'],
      ['nothing', 'posted', 'FINISHED PASSED; 0 errors'],
    ],
  },
];
