/**
 * One replica of several, in a process of its own with its own bots: told what to do by its parent, and answering what
 * came of it.
 */
import { enqueueJobs } from '../../src/farm/enqueue-job.ts';
import type { Home } from '../../src/farm/home.ts';
import { crewOf, openWorkers, WARM_MS } from './crew.ts';
import { benchJob, benchLimits, benchLine } from './line.ts';
import { openFarm } from './open-farm.ts';

export type Order =
  { readonly kind: 'work'; readonly seconds: number } | { readonly kind: 'enqueue'; readonly seconds: number };

export type Done = { readonly jobs: number; readonly perSecond: number };

const [, , url = '', bots = '0', prefix = 'bot'] = process.argv;

/** Jobs a second that are enqueued where many are asked for. */
const ENQUEUES_PER_SECOND = 10_000;
const BATCH = 100;
const BATCHES_AT_ONCE = 10;

const enqueue = async (home: Home, seconds: number): Promise<Done> => {
  const batch = Array.from({ length: BATCH }, () => benchJob());
  const startedMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedMs;
  const underWay = new Set<Promise<void>>();
  let asked = 0;
  let jobs = 0;
  const send = (): void => {
    asked += BATCH;
    const sending = enqueueJobs(home, batch).then(() => {
      jobs += BATCH;
      underWay.delete(sending);
    });
    underWay.add(sending);
  };
  while (elapsedMs() < seconds * 1000) {
    while (asked < (elapsedMs() * ENQUEUES_PER_SECOND) / 1000 && underWay.size < BATCHES_AT_ONCE) send();
    // One that failed is thrown here.
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 1)), ...underWay]);
  }
  const perSecond = (jobs * 1000) / elapsedMs();
  await Promise.all(underWay);
  return { jobs, perSecond };
};

const { home, close } = await openFarm(url, { lines: [benchLine()], limits: benchLimits });
const crew = crewOf(await openWorkers(home, { count: Number(bots), prefix }));

process.on('message', (order: Order) => {
  const working =
    order.kind === 'work' ? crew.work({ warmMs: WARM_MS, forMs: order.seconds * 1000 }) : enqueue(home, order.seconds);
  working.then(
    ({ jobs, perSecond }) => process.send?.({ jobs, perSecond } satisfies Done),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
const leave = (): void => void close().finally(() => process.exit(0));
process.once('SIGTERM', leave);
// Its parent is gone.
process.once('disconnect', leave);
process.send?.('ready');
