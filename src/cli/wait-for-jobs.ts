/** Waiting for many jobs at once. */
import type { Job } from '../gen/stationgrid/v1/jobs.ts';
import type { FarmDoor } from './connect.ts';
import { followJob } from './follow-job.ts';
import { startProgress } from './progress.ts';
import { hasEnded, hasPassed } from './show-job.ts';
import type { Terminal } from './terminal.ts';
import { gaveUp, patience } from './watch.ts';

/** Streams open at once; jobs beyond them are looked at when one has ended, and are then often past already. */
const WATCHED_MAX = 64;

/** The jobs as they ended, in the order given. */
export const waitForJobs = async (
  terminal: Terminal,
  farm: FarmDoor,
  jobs: readonly Job[],
  timeoutMs: number | undefined,
): Promise<readonly Job[]> => {
  const signal = patience(timeoutMs);
  const latest = new Map(jobs.map((job) => [job.id, job]));
  const waiting = jobs.map(({ id, instance }) => ({ id, instance }));
  const progress = startProgress(terminal, { total: jobs.length, what: 'jobs' });
  const draw = (): void => {
    const over = [...latest.values()].filter(hasEnded);
    progress.show(over.length, `${String(over.length - over.filter(hasPassed).length)} not passed`);
  };
  const watchOneByOne = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) {
      for await (const { job } of followJob(farm, next, signal)) {
        if (job !== undefined) latest.set(next.id, job);
        draw();
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(WATCHED_MAX, jobs.length) }, watchOneByOne));
  } finally {
    progress.end();
  }
  const now = jobs.map((job) => latest.get(job.id) ?? job);
  const open = now.filter((job) => !hasEnded(job));
  const [first] = open;
  if (first !== undefined)
    throw gaveUp(
      open.map(({ id }) => id),
      first.instance,
    );
  return now;
};
