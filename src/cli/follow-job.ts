/** One job's story until it has ended, through lost connections and restarts of the farm. */
import { setTimeout as wait } from 'node:timers/promises';
import { JobsService, WatchJobRequest, type WatchJobResponse } from '../gen/stationgrid/v1/jobs.ts';
import type { FarmDoor } from './connect.ts';
import { EXIT } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { hasEnded } from './show-job.ts';

/** A farm that restarts is back within this; longer and somebody should look. */
const RESUME_TRIES_MAX = 12;
const RESUME_MIN_MS = 100;
const RESUME_MAX_MS = 5_000;

/**
 * Yields the job as it is and after each of its events; ends with the event that ended it, or silently when the signal
 * aborts. A stream that breaks is taken up after the last message seen; one that cannot be opened at all is a Failure.
 */
export async function* followJob(
  farm: FarmDoor,
  job: { readonly instance: string; readonly id: bigint },
  signal: AbortSignal,
): AsyncGenerator<WatchJobResponse, void> {
  let cursor = '';
  let hasSpoken = false;
  for (let tries = 0; !signal.aborted; tries += 1) {
    try {
      for await (const message of farm.follow(
        JobsService.watchJob,
        WatchJobRequest.create({ ...job, cursor }),
        signal,
      )) {
        yield message;
        if (message.job !== undefined && hasEnded(message.job)) return;
        cursor = message.cursor;
        hasSpoken = true;
        tries = 0;
      }
    } catch (error) {
      if (!hasSpoken || tries >= RESUME_TRIES_MAX || !isPassing(error)) throw error;
    }
    // Broken, or ended by a farm that goes away before the job has ended.
    if (tries >= RESUME_TRIES_MAX) throw new Failure(EXIT.unreachable, stayedSilent(job.id), 'Watch it again later.');
    await wait(Math.min(RESUME_MIN_MS * 2 ** tries, RESUME_MAX_MS), undefined, { signal }).catch(() => undefined);
  }
}

const isPassing = (error: unknown): boolean => error instanceof Failure && error.exitCode === EXIT.unreachable;

const stayedSilent = (id: bigint): string =>
  `the farm ends the watch of job ${String(id)} again and again without saying how the job ended`;
