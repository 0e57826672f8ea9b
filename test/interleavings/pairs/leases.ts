/** Who gets a lease, and how it ends: grants, starts, completions, cancels, losses. */
import { enqueueJob } from '../../../src/farm/enqueue-job.ts';
import { reportTestResults } from '../../../src/farm/report-test-results.ts';
import { sweepJobs, sweepLeases, sweepSessions } from '../../../src/farm/sweep.ts';
import { active, board, connect, done, only, testResult } from '../../support/bot-calls.ts';
import { jobRequest, mlb } from '../../support/job-requests.ts';
import type { Pair } from '../cross.ts';
import { cancel, running } from '../moves.ts';
import { jobIs, leasesAre, resultsAre, told } from '../words.ts';

export const leasePairs: readonly Pair[] = [
  {
    name: 'grant / grant, of one job',
    ready: async ({ a, b, c, read }) => {
      const [x, y] = [await connect(a, 'x'), await connect(b, 'y')];
      const { id } = await enqueueJob(c, jobRequest());
      return { a: () => x.poll().then(told), b: () => y.poll().then(told), stands: () => jobIs(read, id) };
    },
    ends: [
      ['PENDING', 'nothing', 'LEASED'],
      ['nothing', 'PENDING', 'LEASED'],
    ],
  },
  {
    name: 'grant / grant, on one DUT',
    ready: async ({ a, b, c, read }) => {
      const duts = [board('U1')];
      const [x, y] = [await connect(a, 'x', { duts }), await connect(b, 'y', { duts })];
      for (const station of ['FAT', 'SMT']) await enqueueJob(c, jobRequest({ station }));
      return { a: () => x.poll().then(told), b: () => y.poll().then(told), stands: () => leasesAre(read) };
    },
    // Which job it is depends on who looked first; that there is one lease does not.
    ends: [
      ['PENDING', 'nothing', 'FAT PENDING'],
      ['nothing', 'PENDING', 'FAT PENDING'],
      ['PENDING', 'nothing', 'SMT PENDING'],
      ['nothing', 'PENDING', 'SMT PENDING'],
    ],
  },
  {
    name: 'grant / cancel',
    ready: async ({ a, b, c, read }) => {
      const bot = await connect(a, 'x');
      const { id } = await enqueueJob(c, jobRequest());
      return { a: () => bot.poll().then(told), b: () => cancel(b, id), stands: () => jobIs(read, id) };
    },
    ends: [
      ['PENDING', 'CANCELLING', 'CANCELLING'],
      ['nothing', 'CANCELLED', 'CANCELLED'],
    ],
  },
  {
    name: 'grant / queue timeout',
    ready: async ({ a, b, c, at, read }) => {
      const bot = await connect(a, 'x');
      const { id } = await enqueueJob(c, jobRequest({ queueTimeoutMs: 60_000 }));
      await at(60_001);
      return {
        a: () => bot.poll().then(told),
        b: () => sweepJobs(b).then(() => 'swept'),
        stands: () => jobIs(read, id),
      };
    },
    ends: [
      ['PENDING', 'swept', 'LEASED'],
      ['nothing', 'swept', 'FAILED QUEUE_TIMEOUT'],
    ],
  },
  {
    name: 'grant / loss that leaves the DUT unclean',
    ready: async ({ a, b, c, at, read }) => {
      await running(c, 'x', { serials: mlb('U1') }, { duts: [board('U1')] });
      await at(100_000);
      const other = await connect(a, 'y', { duts: [board('U1')] });
      await sweepSessions(c);
      await enqueueJob(c, jobRequest({ station: 'SMT', serials: mlb('U1') }));
      return {
        a: () => other.poll().then(told),
        b: () => sweepLeases(b).then(() => 'swept'),
        stands: () => leasesAre(read),
      };
    },
    // It is leased, or it settles; there is nothing between.
    ends: [['nothing', 'swept', 'FAT LOST']],
  },
  {
    name: 'start / cancel',
    ready: async ({ a, b, c, read }) => {
      const { id } = await enqueueJob(c, jobRequest());
      const bot = await connect(a, 'x');
      const lease = only(bot.created);
      return {
        a: () => bot.poll([active(lease.id)]).then(told),
        b: () => cancel(b, id),
        stands: () => jobIs(read, id),
      };
    },
    ends: [
      ['ACTIVE', 'CANCELLING', 'CANCELLING'],
      ['CANCELLING', 'CANCELLING', 'CANCELLING'],
    ],
  },
  {
    name: 'complete / cancel',
    ready: async ({ a, b, read }) => {
      const { job, bot, id } = await running(a, 'x');
      return {
        a: () => bot.poll([done(id)]).then(told),
        b: () => cancel(b, job),
        stands: () => jobIs(read, job),
      };
    },
    // The first commit wins.
    ends: [
      ['nothing', 'ALREADY_FINISHED', 'FINISHED PASSED'],
      ['nothing', 'CANCELLING', 'CANCELLED'],
    ],
  },
  {
    name: 'complete / complete, one lease through two replicas',
    ready: async ({ a, b, read }) => {
      const { job, bot, id } = await running(a, 'x');
      return {
        a: () => bot.poll([done(id)]).then(told),
        b: () => bot.poll([done(id)], { at: b }).then(told),
        stands: async () => `${await jobIs(read, job)}, results ${await resultsAre(read)}`,
      };
    },
    ends: [['nothing', 'nothing', 'FINISHED PASSED, results probe']],
  },
  {
    name: 'complete / complete otherwise, through two replicas',
    ready: async ({ a, b, read }) => {
      const { job, bot, id } = await running(a, 'x');
      const failed = done(id, { results: [testResult('probe', 'FAILED')] });
      return {
        a: () => bot.poll([done(id)]).then(told),
        b: () => bot.poll([failed], { at: b }).then(told),
        stands: async () => `${await jobIs(read, job)}, results ${await resultsAre(read)}`,
      };
    },
    // The other is kept as stale.
    ends: [
      ['nothing', 'nothing', 'FINISHED PASSED, results probe, probe stale'],
      ['nothing', 'nothing', 'FINISHED FAILED, results probe, probe stale'],
    ],
  },
  {
    name: 'complete / loss',
    ready: async ({ a, b, c, at, read }) => {
      const { job, bot, id } = await running(a, 'x');
      await at(100_000);
      await sweepSessions(c);
      return {
        a: () => bot.poll([done(id)]).then(told),
        b: () => sweepLeases(b).then(() => 'swept'),
        stands: () => jobIs(read, job),
      };
    },
    ends: [
      ['nothing', 'swept', 'FINISHED PASSED'],
      ['SESSION_CLOSED', 'swept', 'QUEUED'],
    ],
  },
  {
    name: 'complete / execution timeout',
    ready: async ({ a, b, at, read }) => {
      const { job, bot, id } = await running(
        a,
        'x',
        { executionTimeoutMs: 10_000, serials: mlb('U1') },
        { duts: [board('U1')] },
      );
      await at(10_001);
      return {
        a: () => bot.poll([done(id)]).then(told),
        b: () => sweepLeases(b).then(() => 'swept'),
        stands: () => jobIs(read, job),
      };
    },
    ends: [
      ['nothing', 'swept', 'FINISHED PASSED'],
      ['nothing', 'swept', 'FAILED EXECUTION_TIMEOUT'],
    ],
  },
  {
    name: 'complete / a result on its own',
    ready: async ({ a, b, read }) => {
      const { job, bot, id } = await running(a, 'x', { serials: mlb('U1') }, { duts: [board('U1')] });
      const report = { caller: null, session: bot.name, leaseId: id, results: [testResult('extra', 'PASSED')] };
      return {
        a: () => bot.poll([done(id)]).then(told),
        b: () => reportTestResults(b, report).then(({ fenced }) => (fenced ? 'fenced' : 'stored')),
        stands: async () => `${await jobIs(read, job)}, results ${await resultsAre(read)}`,
      };
    },
    ends: [
      ['nothing', 'stored', 'FINISHED PASSED, results extra, probe'],
      ['nothing', 'fenced', 'FINISHED PASSED, results probe'],
    ],
  },
  {
    name: 'a result / the same result, through two replicas',
    ready: async ({ a, b, read }) => {
      const { bot, id } = await running(a, 'x', { serials: mlb('U1') }, { duts: [board('U1')] });
      const report = { caller: null, session: bot.name, leaseId: id, results: [testResult('probe', 'PASSED')] };
      const say = ({ stored: fresh, repeated }: { stored: number; repeated: number }) =>
        `${fresh} stored, ${repeated} repeated`;
      return {
        a: () => reportTestResults(a, report).then(say),
        b: () => reportTestResults(b, report).then(say),
        stands: () => resultsAre(read),
      };
    },
    ends: [
      ['1 stored, 0 repeated', '0 stored, 1 repeated', 'probe'],
      ['0 stored, 1 repeated', '1 stored, 0 repeated', 'probe'],
    ],
  },
  {
    name: 'a result / cancel',
    ready: async ({ a, b, read }) => {
      const { job, bot, id } = await running(a, 'x', { serials: mlb('U1') }, { duts: [board('U1')] });
      const report = { caller: null, session: bot.name, leaseId: id, results: [testResult('probe', 'PASSED')] };
      return {
        a: () => reportTestResults(a, report).then(({ stale }) => (stale > 0 ? 'stale' : 'stored')),
        b: () => cancel(b, job),
        stands: () => resultsAre(read),
      };
    },
    ends: [
      ['stored', 'CANCELLING', 'probe'],
      ['stale', 'CANCELLING', 'probe stale'],
    ],
  },
  {
    name: 'cancel / cancel',
    ready: async ({ a, b, read }) => {
      const { job } = await running(a, 'x');
      return {
        a: () => cancel(a, job),
        b: () => cancel(b, job),
        stands: () => jobIs(read, job),
      };
    },
    ends: [
      ['CANCELLING', 'ALREADY_CANCELLING', 'CANCELLING'],
      ['ALREADY_CANCELLING', 'CANCELLING', 'CANCELLING'],
    ],
  },
];
