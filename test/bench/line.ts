/** The line that the store's measures run on: one instance, one station, a shopfloor that is owed calls. */
import type { JobRequest } from '../../src/core/job-request.ts';
import type { Line } from '../../src/core/line.ts';
import { jobRequest } from '../support/job-requests.ts';
import { testLine, testRule } from '../support/farm.ts';
import type { FarmChanges } from './open-farm.ts';

export const INSTANCE = 'line-1';
export const STATION = 'FAT';

const HOUR_MS = 3_600_000;

/** @param shopfloorUrl nobody listens at the one given by default, and without a pump nobody calls. */
export const benchLine = (shopfloorUrl = 'http://127.0.0.1:9/'): Line =>
  testLine({ instance: INSTANCE, shopfloorUrl, anyStation: testRule({ lostAfterMs: HOUR_MS }) });

/**
 * While one side of a comparison runs, the bots of the other say nothing, for longer than a real one may: nobody is to
 * be lost for that.
 */
export const benchLimits = {
  session: { ttlMs: HOUR_MS, lostAfterMs: HOUR_MS },
  jobs: { queuedMax: 100_000_000, acceptUnechoedMs: HOUR_MS, acceptEchoedMs: HOUR_MS },
} satisfies FarmChanges['limits'];

/** A job of that station. @param className the class of bots that it wants; null: any bot. */
export const benchJob = (className: string | null = null): JobRequest =>
  jobRequest({
    instance: INSTANCE,
    station: STATION,
    constraints: className === null ? [] : [{ key: 'class', allowedValues: [className] }],
  });
