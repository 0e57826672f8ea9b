/**
 * A line at work that stays as it is: bots take jobs, and as many are enqueued as were done, so that the queue keeps its
 * length whatever the speed.
 */
import { enqueueJobs } from '../../src/farm/enqueue-job.ts';
import type { Home } from '../../src/farm/home.ts';
import { ask, type Backlog, openBacklog, settle } from './backlog.ts';
import { percentile } from './compare.ts';
import { type Crew, crewOf, openWorkers, type Stretch, WARM_MS, type Worker } from './crew.ts';
import { benchJob, benchLimits, benchLine } from './line.ts';
import type { Bench } from './measure.ts';
import type { FarmChanges } from './open-farm.ts';

export type Plant = {
  readonly home: Home;
  readonly url: string;
  readonly ownerUrl: string;
  readonly workers: readonly Worker[];
  readonly backlog: Backlog;
  readonly work: (seconds: number) => Promise<Stretch>;
  /** Works until some job has finished, and names it: a pattern for others. */
  readonly finishOne: () => Promise<number>;
  /** Ends the farm, and leaves its database. */
  readonly leave: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Enough to fill some batches; few beside the shortest queue. */
export const BOTS = 256;

export const openPlant = async (
  { site }: Bench,
  given: {
    readonly name: string;
    readonly queued: number;
    readonly bots?: number;
    readonly changes?: FarmChanges;
  },
): Promise<Plant> => {
  const { name, queued, bots = BOTS, changes = {} } = given;
  const { url, ownerUrl, drop } = await site.database(name);
  const { home, close } = await site.openFarm(url, { lines: [benchLine()], limits: benchLimits, ...changes });
  const workers = await openWorkers(home, { count: bots, prefix: 'bot' });
  const backlog = await openBacklog(home, ownerUrl);
  const keeper = keepUp(home);
  const crew: Crew = crewOf(workers, keeper.owe);
  await backlog.add(queued);
  await settle(ownerUrl);
  const work = async (seconds: number): Promise<Stretch> => {
    try {
      return await crew.work({ warmMs: WARM_MS, forMs: seconds * 1000 });
    } finally {
      await keeper.settled();
    }
  };
  const finishOne = async (): Promise<number> => {
    for (;;) {
      const [job] = await ask(ownerUrl, FINISHED);
      if (job !== undefined) return Number(job['id']);
      await work(1);
    }
  };
  return {
    home,
    url,
    ownerUrl,
    workers,
    backlog,
    work,
    finishOne,
    leave: close,
    close: async () => {
      await close();
      await drop();
    },
  };
};

/** One whose calls all wait, as they do without a pump. */
const FINISHED = `
  select j.id from jobs j where j.state = 'FINISHED' and 3 = (
    select count(*) from shopfloor_calls c where c.job_id = j.id and c.state = 'OWED')
  order by j.id limit 1`;

/** Enqueues one job for each that was done, a batch at a time. */
const keepUp = (home: Home): { readonly owe: (jobs: number) => void; readonly settled: () => Promise<void> } => {
  let owed = 0;
  let enqueuing: Promise<void> | null = null;
  const pay = async (): Promise<void> => {
    while (owed > 0) {
      const batch = Math.min(owed, home.limits.jobs.batchMax);
      owed -= batch;
      await enqueueJobs(
        home,
        Array.from({ length: batch }, () => benchJob()),
      );
    }
    enqueuing = null;
  };
  return {
    owe: (jobs) => {
      owed += jobs;
      enqueuing ??= pay();
      // Whoever waits for it is told.
      enqueuing.catch(() => undefined);
    },
    settled: async () => {
      while (enqueuing !== null) await enqueuing;
    },
  };
};

/** What a comparison of two plants is made of: jobs a second, and the slow end of what a job took. */
export type Paces = { readonly perSecond: number[]; readonly p99Ms: number[] };

export const newPaces = (): Paces => ({ perSecond: [], p99Ms: [] });

/** One run of the plant, noted. */
export const pace = async (plant: Pick<Plant, 'work'>, seconds: number, paces: Paces): Promise<number> => {
  const { perSecond, jobMs } = await plant.work(seconds);
  paces.perSecond.push(perSecond);
  paces.p99Ms.push(percentile(jobMs, 99));
  return perSecond;
};
