/** More replicas on one database: none works against another, each gets its share, and they wake each other seldom. */
import pg from 'pg';
import { defaultLimits } from '../../../src/core/limits.ts';
import { ask, openBacklog } from '../backlog.ts';
import { judge, median, pairsOf, worst } from '../compare.ts';
import { benchLimits, benchLine } from '../line.ts';
import type { Bench, Measure } from '../measure.ts';
import { openReplica, type Replica } from '../replicas.ts';
import { compared, rate } from '../report.ts';
import { runSeconds } from '../side.ts';

const MUST = 0.95;
const NOTICES_MUST = 100;
/** All replicas together have so many, whatever their number. */
const BOTS = 512;
const COUNTS = [1, 2, 4];
const ENQUEUE_S = 5;

export const measure: Measure = {
  id: 19,
  name: '1 → 2 → 4 replicas on one database: throughput and fairness',
  inQuick: false,
  run: async (bench) => {
    const runs = new Map<number, readonly Run[]>();
    // In turn, so that a slow hour of the machine meets them all; the first round warms up.
    for (let round = 0; round <= bench.pairs; round += 1) {
      for (const count of COUNTS) {
        const run = await runOf(bench, count);
        if (round > 0) runs.set(count, [...(runs.get(count) ?? []), run]);
      }
    }
    const ratesOf = (count: number): readonly number[] => (runs.get(count) ?? []).map(({ perSecond }) => perSecond);
    const [two, four] = [pairsOf(ratesOf(1), ratesOf(2)), pairsOf(ratesOf(1), ratesOf(4))];
    const all = [...runs.values()].flat();
    const twice = all.reduce((sum, run) => sum + run.twice, 0);
    const notices = await noticesOf(bench);
    const lower = two.ratio < four.ratio ? two : four;
    return {
      ...compared(lower, rate),
      more: {
        twoRatio: two.ratio,
        fourRatio: four.ratio,
        fairness: median(all.map(({ fairness }) => fairness)),
        doubleGrants: twice,
        noticesPerSecond: notices.perSecond,
        noticesMust: NOTICES_MUST,
        enqueuesPerSecond: notices.enqueuesPerSecond,
      },
      must: 'not below 0.95, no double grant, ≤ 100 NOTIFY/s under 10,000 enqueues/s',
      aim: '–',
      verdict: worst([
        judge(lower.ratio, { must: MUST, better: 'higher' }, lower.baselineSpread),
        judge(twice, { must: 0, better: 'lower' }, null),
        judge(notices.perSecond, { must: NOTICES_MUST, better: 'lower' }, null),
      ]),
      plot: {
        title: 'Jobs a second by the number of replicas',
        x: 'replicas',
        y: 'jobs/s',
        points: COUNTS.map((count) => [count, median(ratesOf(count))] as const),
      },
    };
  },
};

type Run = {
  readonly perSecond: number;
  /** The least that one replica did, of what the best did. */
  readonly fairness: number;
  /** Jobs with more than one lease, though nothing was lost. */
  readonly twice: number;
};

const runOf = (bench: Bench, count: number): Promise<Run> =>
  withReplicas(bench, { count, bots: BOTS / count, queued: 60_000 }, async (replicas, { ownerUrl }) => {
    const seconds = runSeconds(bench);
    const done = await Promise.all(replicas.map((replica) => replica.ask({ kind: 'work', seconds })));
    const jobs = done.map((each) => each.jobs);
    const [row] = await ask(ownerUrl, DOUBLE);
    return {
      perSecond: done.reduce((sum, each) => sum + each.perSecond, 0),
      fairness: Math.min(...jobs) / Math.max(...jobs),
      twice: Number(row?.['n']),
    };
  });

const DOUBLE = 'select count(*)::integer as n from (select from leases group by job_id having count(*) > 1) twice';

/** While one replica is enqueued at: how often the other is told of it. */
const noticesOf = (bench: Bench): Promise<{ readonly perSecond: number; readonly enqueuesPerSecond: number }> =>
  withReplicas(bench, { count: 2, bots: 0, queued: 0 }, async ([enqueuing], { ownerUrl }) => {
    if (enqueuing === undefined) throw new Error('there is no replica');
    // Whether there is anybody to be told, a replica knows from its last heartbeat.
    await new Promise((resolve) => setTimeout(resolve, 2 * defaultLimits.replica.tickMs));
    const ear = new pg.Client({ connectionString: ownerUrl });
    await ear.connect();
    const heardMs: number[] = [];
    ear.on('notification', () => void heardMs.push(performance.now()));
    await ear.query('listen stationgrid_wakes');
    const { perSecond } = await enqueuing.ask({ kind: 'enqueue', seconds: ENQUEUE_S });
    await ear.end();
    return { perSecond: heardMs.length / ENQUEUE_S, enqueuesPerSecond: perSecond };
  });

const withReplicas = async <T>(
  bench: Bench,
  given: { readonly count: number; readonly bots: number; readonly queued: number },
  work: (replicas: readonly Replica[], database: { readonly ownerUrl: string }) => Promise<T>,
): Promise<T> => {
  const { url, ownerUrl, drop } = await bench.site.database(`replicas_${given.count}`);
  const replicas: Replica[] = [];
  try {
    const { home, close } = await bench.site.openFarm(url, { lines: [benchLine()], limits: benchLimits });
    const backlog = await openBacklog(home, ownerUrl);
    if (given.queued > 0) await backlog.fill(given.queued);
    await close();
    for (let number = 0; number < given.count; number += 1)
      replicas.push(await openReplica(url, given.bots, `replica${number}`));
    return await work(replicas, { ownerUrl });
  } finally {
    for (const replica of replicas) await replica.close();
    await drop();
  }
};
