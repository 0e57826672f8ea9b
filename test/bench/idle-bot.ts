/** A bot that waits for work, is given some, does it at once, and waits again. */
import { setTimeout as wait } from 'node:timers/promises';
import { type BotSession, LeaseState } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { EnqueueJobRequest } from '../../src/gen/stationgrid/v1/jobs.ts';
import { completing, createSessions, ENQUEUE, jobRequest, POLL, reporting, sessionIn, updateRequest } from './bots.ts';
import type { Connection } from './connection.ts';
import { REST_MS, type Timed } from './latency.ts';

const anyBot = EnqueueJobRequest.encode(jobRequest(null)).finish();

/**
 * From sending EnqueueJob to the reply of the parked poll with the lease, in ms.
 * @param scheduler enqueues. @param bot is where the bot polls; another replica's, perhaps.
 */
export const timeToLease = async (scheduler: Connection, bot: Connection): Promise<Timed> => {
  const [created] = await createSessions([bot], ['bot-idle']);
  let session = created!;
  const update = async (next: BotSession): Promise<void> => {
    session = sessionIn(await bot.ask(POLL, updateRequest(next)));
  };
  return async () => {
    const waiting = update(session);
    await wait(REST_MS);
    const startedMs = performance.now();
    const enqueued = scheduler.ask(ENQUEUE, anyBot);
    await waiting;
    const tookMs = performance.now() - startedMs;
    await enqueued;
    if (session.leases[0]?.state !== LeaseState.PENDING)
      throw new Error('the parked poll was answered without a lease');
    await update(reporting(session, LeaseState.ACTIVE));
    await update(completing(session));
    return tookMs;
  };
};
