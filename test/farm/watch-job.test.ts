import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cursorOf } from '../../src/core/cursor.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { type JobWatched, watchJob } from '../../src/farm/watch-job.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createTestFarm, createWakeHub, type TestFarm } from '../support/farm.ts';
import { connectBot, giveJob, runJob, stepLease, type TestBot } from '../support/fleet.ts';
import { jobRequest } from '../support/job-requests.ts';

let database: FreshDatabase;
let farm: TestFarm;
let bot: TestBot;
beforeAll(async () => {
  database = await freshDatabase();
  farm = createTestFarm({ database });
  bot = await connectBot(farm, { botId: 'watched' });
});
afterAll(() => database.drop());

const never = new AbortController().signal;
const instance = 'line-1';
const watch = (id: number, cursor = '', signal: AbortSignal = never) =>
  watchJob(farm, { instance, id, cursor, signal });

const taken = async (stream: AsyncIterable<JobWatched>): Promise<JobWatched[]> => {
  const messages: JobWatched[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
};
const kindsOf = (messages: readonly JobWatched[]) => messages.map(({ event }) => event);

describe('watching a job', () => {
  it('begins with the job as it is, tells each event, and ends when the job has ended', async () => {
    const { id } = await enqueueJob(farm, jobRequest());
    const stream = watch(id);
    expect((await stream.next()).value).toMatchObject({ event: null, job: { id, state: 'QUEUED' } });
    const rest = taken(stream);
    await runJob(farm, bot, id);
    const messages = await rest;
    expect(kindsOf(messages).filter((kind) => kind !== 'JOB_ENQUEUED')).toEqual([
      'LEASE_STARTED',
      'LEASE_COMPLETED',
      'JOB_FINISHED',
    ]);
    expect(messages.at(-1)).toMatchObject({
      job: { state: 'FINISHED', verdict: 'PASSED', results: [{ testId: 'probe' }] },
    });
  });

  it('resumes after any message, missing none and repeating none', async () => {
    const { id } = await enqueueJob(farm, jobRequest());
    const fresh = await watch(id).next();
    await runJob(farm, bot, id);
    const first = fresh.value as JobWatched;
    const all = await taken(watch(id, first.cursor));
    for (const [index, { cursor }] of all.entries()) {
      expect(kindsOf(await taken(watch(id, cursor)))).toEqual(kindsOf(all.slice(index + 1)));
    }
  });

  it('of a job that has ended says so and ends', async () => {
    const { id } = await enqueueJob(farm, jobRequest());
    await runJob(farm, bot, id);
    const messages = await taken(watch(id));
    expect(messages[0]).toMatchObject({ event: null, job: { state: 'FINISHED' } });
  });

  it('ends early, without an error, when its watcher leaves', async () => {
    const { id } = await enqueueJob(farm, jobRequest());
    const leaving = new AbortController();
    const stream = watch(id, '', leaving.signal);
    await stream.next();
    const rest = taken(stream);
    leaving.abort();
    await rest;
  });

  it('hears of what another replica commits', async () => {
    const hub = createWakeHub();
    const [here, there] = [createTestFarm({ database, hub }), createTestFarm({ database, hub })];
    const { id } = await enqueueJob(here, jobRequest());
    const stream = watchJob(here, { instance, id, cursor: '', signal: never });
    await stream.next();
    const rest = taken(stream);
    await runJob(there, bot, id);
    expect(kindsOf(await rest).at(-1)).toBe('JOB_FINISHED');
  });

  it('finds what it was not woken for at its next look', async () => {
    const deaf = createTestFarm({
      database,
      hub: { wake: () => undefined, onWake: () => () => undefined },
      limits: { replica: { tickMs: 20 } },
    });
    const { id } = await enqueueJob(deaf, jobRequest());
    const stream = watchJob(deaf, { instance, id, cursor: '', signal: never });
    await stream.next();
    const rest = taken(stream);
    await runJob(deaf, bot, id);
    expect(kindsOf(await rest).at(-1)).toBe('JOB_FINISHED');
  });

  it('passes over nothing while an older transaction is open', async () => {
    const { id } = await enqueueJob(farm, jobRequest());
    const stream = watch(id);
    const first = (await stream.next()).value as JobWatched;
    // Older than what follows, and with an event that comes to light last.
    const older = await database.pool.connect();
    await older.query('begin');
    const say = `insert into farm_events (kind, instance, job_id) values ('JOB_HELD', 'line-1', $1)`;
    await older.query(say, [id]);
    await runJob(farm, bot, id);
    const rest = taken(watch(id, first.cursor));
    await older.query('commit');
    older.release();
    expect(kindsOf(await rest).filter((kind) => kind !== 'JOB_ENQUEUED')).toEqual([
      'JOB_HELD',
      'LEASE_STARTED',
      'LEASE_COMPLETED',
      'JOB_FINISHED',
    ]);
    await stream.return();
  });

  it('is refused for a job that is not there, and with a cursor that is not of this watch', async () => {
    await expect(watch(999_999).next()).rejects.toMatchObject({ kind: 'NOT_FOUND' });
    const { id } = await enqueueJob(farm, jobRequest());
    const { id: other } = await enqueueJob(farm, jobRequest());
    const { value } = await watch(other).next();
    await expect(watch(id, (value as JobWatched).cursor).next()).rejects.toMatchObject({ reason: 'BAD_CURSOR' });
    const forged = cursorOf(['watch', instance, id], ["1'; drop table jobs", 1]);
    await expect(watch(id, forged).next()).rejects.toMatchObject({ reason: 'BAD_CURSOR' });
  });

  it('leaves no ear behind', async () => {
    let ears = 0;
    const hub = createWakeHub();
    const counting = {
      wake: hub.wake,
      onWake: (hear: Parameters<typeof hub.onWake>[0]) => {
        const close = hub.onWake(hear);
        ears += 1;
        return () => {
          ears -= 1;
          close();
        };
      },
    };
    const counted = createTestFarm({ database, hub: counting });
    const { id } = await enqueueJob(counted, jobRequest());
    const stream = watchJob(counted, { instance, id, cursor: '', signal: never });
    await stream.next();
    expect(ears).toBe(1);
    await giveJob(counted, bot, id);
    await stepLease(counted, id, { event: 'HANDED_BACK' });
    await stream.return();
    expect(ears).toBe(0);
  });
});
