import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { sweepJobs, sweepLeases, sweepSessions } from '../../src/farm/sweep.ts';
import { tickOnce } from '../../src/farm/tick.ts';
import {
  active,
  board,
  connect,
  done,
  leasesOf,
  only,
  openTestHome,
  pending,
  stateOf,
  type TestBot,
  type TestHome,
} from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createWakeHub, testLine, testRule } from '../support/farm.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';
import { createManualClock } from '../support/manual-clock.ts';

const NOW = new Date('2026-03-01T08:00:00Z');
const MINUTE = 60_000;

let database: FreshDatabase;
let home: TestHome;
let other: TestHome;
beforeEach(async () => {
  database = await freshDatabase();
  await database.setNow(NOW);
  const hub = createWakeHub();
  const runin = testRule({ station: 'RUNIN', lostAfterMs: 30 * MINUTE });
  const lines = [
    testLine({
      shopfloorUrl: 'http://127.0.0.1:1/',
      stations: new Map([
        ['RUNIN', runin],
        ['FAT', testRule({ station: 'FAT' })],
      ]),
    }),
  ];
  const open = () => openTestHome({ database, clock: createManualClock(NOW), hub, lines });
  [home, other] = [open(), open()];
});
afterEach(async () => {
  await Promise.all([home.settled(), other.settled()]);
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

const at = (ms: number): Promise<void> => database.setNow(new Date(NOW.getTime() + ms));
const sweep = async (by: TestHome = home): Promise<void> => {
  await sweepSessions(by);
  await sweepLeases(by);
  await sweepJobs(by);
};
const sessionOf = async (name: string) => {
  const { rows } = await database.pool.query<{ state: string; reason: string | null }>(
    'select state, closed_reason as reason from bot_sessions where name = $1',
    [name],
  );
  return rows[0]!;
};
const runs = async (changes: Parameters<typeof jobRequest>[0] = {}) => {
  const job = await enqueueJob(home, jobRequest(changes));
  const bot = await connect(home, 'b');
  const { id } = only(bot.created);
  await bot.poll([active(id)]);
  return { job, bot, id };
};
/** No home is there that could have heard of the session. */
const homeIsSilent = () => database.pool.query('delete from replicas');
const countOf = (kind: string): number => home.events.filter((event) => event.kind === kind).length;

describe('a session past its time to live', () => {
  it('is closed once, never early, and its bot is told why', async () => {
    const bot = await connect(home, 'b');
    await at(90_000);
    await sweep();
    expect(await sessionOf(bot.name)).toMatchObject({ state: 'OPEN' });
    await at(90_001);
    await sweep();
    await sweep();
    expect(await sessionOf(bot.name)).toEqual({
      state: 'CLOSED',
      reason: 'expired: not heard of within its time to live',
    });
    expect([countOf('SESSION_LAPSED'), countOf('SESSION_CLOSED')]).toEqual([1, 1]);
    await expect(bot.poll()).rejects.toMatchObject({ kind: 'SESSION_CLOSED', message: /expired/ });
  });

  it('gives back what it had not started, uncounted', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    await bot.poll([pending(only(bot.created).id)]);
    await at(91_000);
    await sweep();
    expect(await leasesOf(home, job.id)).toEqual(['WITHDRAWN']);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'QUEUED', attempts: 0 });
  });

  it('waits with a started lease for lost_after, and goes on when its bot comes back before', async () => {
    const { job, bot, id } = await runs({ station: 'RUNIN' });
    await at(29 * MINUTE);
    await sweep();
    expect(await sessionOf(bot.name)).toMatchObject({ state: 'LAPSED' });
    // To another replica, as it may.
    expect(only(await bot.poll([active(id)], { at: other })).state).toBe('ACTIVE');
    expect(await sessionOf(bot.name)).toMatchObject({ state: 'OPEN' });
    await at(30 * MINUTE + 1_000);
    await sweep();
    await bot.poll([done(id)], { at: other });
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', attempts: 1 });
  });

  it('loses the lease when lost_after has passed, and then is closed; its DUT settles', async () => {
    const job = await enqueueJob(home, jobRequest({ station: 'RUNIN', serials: mlb('U1'), attemptsMax: 1 }));
    const bot = await connect(home, 'b', { duts: [board('U1')] });
    await bot.poll([active(only(bot.created).id)]);
    await at(2 * MINUTE);
    await sweep();
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'LEASED' });
    await at(30 * MINUTE + 1_000);
    await sweep();
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FAILED', failure: 'LOST' });
    expect(await sessionOf(bot.name)).toMatchObject({ state: 'CLOSED' });
    const { rows } = await database.pool.query('select settling_reason as reason from devices');
    expect(rows).toEqual([{ reason: 'its bot was not heard of for longer than lost_after' }]);
  });

  it('is left to its own home while that one is there', async () => {
    const bot = await connect(home, 'b');
    await tickOnce(home, { lastMs: 0 });
    await database.pool.query(`update farm_marks set amnesty_until = '-infinity'`);
    await at(91_000);
    await database.pool.query('update replicas set last_seen_at = farm_now()');
    await sweep(other);
    expect(await sessionOf(bot.name)).toMatchObject({ state: 'OPEN' });
    await homeIsSilent();
    await sweep(other);
    expect(await sessionOf(bot.name)).toMatchObject({ state: 'CLOSED' });
  });

  it('is closed though its last lease ended by its bot’s word and its home was lost thereafter', async () => {
    const { bot, id } = await runs({ station: 'RUNIN' });
    await at(2 * MINUTE);
    await sweep();
    // The home has it in memory yet; the next tick would have shown it OPEN.
    await bot.poll([done(id)]);
    expect(await sessionOf(bot.name)).toMatchObject({ state: 'LAPSED' });
    await sweep(other);
    expect(await sessionOf(bot.name)).toMatchObject({ state: 'CLOSED' });
  });
});

describe('a lease that is not accepted', () => {
  it('is withdrawn after a minute when its bot never showed it', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    await bot.poll();
    await at(MINUTE + 1);
    await sweep();
    expect((await leasesOf(home, job.id))[0]).toBe('WITHDRAWN');
    expect(await stateOf(home, job.id)).toMatchObject({ attempts: 0 });
    // And the bot rests: the job is not thrown at it again.
    expect((await bot.poll()).leases).toEqual([]);
  });

  it('is withdrawn after ten when it shows it as PENDING', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    await bot.poll([pending(only(bot.created).id)]);
    await at(10 * MINUTE);
    await sweepLeases(home);
    expect(await leasesOf(home, job.id)).toEqual(['PENDING']);
    await at(10 * MINUTE + 1);
    await sweepLeases(home);
    expect((await leasesOf(home, job.id))[0]).toBe('WITHDRAWN');
  });

  it('is not withdrawn from a bot that shows it at that very moment', async () => {
    for (let n = 0; n < 8; n += 1) {
      await at(n * 2 * MINUTE);
      const job = await enqueueJob(home, jobRequest());
      const bot = await connect(home, `b${n}`);
      const { id } = only(bot.created);
      await at(n * 2 * MINUTE + MINUTE + 1);
      const [reply] = await Promise.all([bot.poll([pending(id)]), sweepLeases(home)]);
      const states = await leasesOf(home, job.id);
      // Whoever came first: what the bot was told is what is so, or what it is told next.
      if (states[0] === 'PENDING') expect(only(reply).state).toBe('PENDING');
      else expect((await bot.poll([pending(id)])).leases.map((lease) => lease.id)).not.toContain(id);
      await cancelJob(home, { instance: 'line-1', id: job.id, reason: '' });
    }
  });
});

describe('a cancel that is not acknowledged', () => {
  it('is closed after its grace, and the bot hears CANCELLED once more', async () => {
    const { job, bot, id } = await runs();
    await cancelJob(home, { instance: 'line-1', id: job.id, reason: 'by hand' });
    await at(30_000);
    await sweepLeases(home);
    expect(await leasesOf(home, job.id)).toEqual(['CANCELLING']);
    await at(30_001);
    await sweepLeases(home);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'CANCELLED', reason: 'by hand' });
    expect((await bot.poll([active(id)])).cancelledOnce).toEqual([id]);
  });
});

describe('a job', () => {
  it('that runs longer than it may has FAILED, and its bot is told to stop', async () => {
    const { job, bot, id } = await runs({ executionTimeoutMs: MINUTE });
    await at(MINUTE);
    await sweepLeases(home);
    expect(await leasesOf(home, job.id)).toEqual(['ACTIVE']);
    await at(MINUTE + 1);
    await sweepLeases(home);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FAILED', failure: 'EXECUTION_TIMEOUT' });
    expect((await bot.poll([active(id)])).cancelledOnce).toEqual([id]);
  });

  it('that was queued too long has FAILED, but not one that runs', async () => {
    const { job: running } = await runs({ queueTimeoutMs: MINUTE });
    const waiting = await enqueueJob(home, jobRequest({ queueTimeoutMs: MINUTE }));
    await at(MINUTE + 1);
    await sweepJobs(home);
    expect(await stateOf(home, waiting.id)).toMatchObject({ state: 'FAILED', failure: 'QUEUE_TIMEOUT' });
    expect(await stateOf(home, running.id)).toMatchObject({ state: 'LEASED' });
  });

  it('that must have ended by now has FAILED as EXPIRED, also in the hands of a bot', async () => {
    const expiresAt = new Date(NOW.getTime() + MINUTE);
    const { job: running, bot, id } = await runs({ expiresAt });
    const waiting = await enqueueJob(home, jobRequest({ expiresAt }));
    await at(MINUTE + 1);
    await sweepJobs(home);
    for (const job of [running, waiting]) {
      expect(await stateOf(home, job.id)).toMatchObject({ state: 'FAILED', failure: 'EXPIRED' });
    }
    expect((await bot.poll([active(id)])).cancelledOnce).toEqual([id]);
  });

  it('that cannot be ended does not keep the others alive', async () => {
    const jobs = [];
    for (let n = 0; n < 2; n += 1) jobs.push(await enqueueJob(home, jobRequest({ queueTimeoutMs: 1 })));
    await at(2);
    let calls = 0;
    const stumbling: TestHome = Object.assign(Object.create(home) as TestHome, {
      lineOf: home.lineOf,
      newId: home.newId,
      witness: {
        ...home.witness,
        ended: () => {
          calls += 1;
          if (calls === 1) throw new Error('a bug of ours');
        },
      },
    });
    await sweepJobs(stumbling);
    expect(await Promise.all(jobs.map(({ id }) => stateOf(home, id)))).toMatchObject([
      { state: 'FAILED' },
      { state: 'FAILED' },
    ]);
  });
});

describe('an outage of ours', () => {
  it('costs nobody a lease: whoever was silent then is given a whole time to live', async () => {
    const { job, bot } = await runs();
    await enqueueJob(home, jobRequest());
    const waits = await connect(home, 'waits');
    await tickOnce(home, { lastMs: 0 });
    await at(10 * MINUTE);
    // A replica that starts afresh and knows nobody: its first tick finds that no replica was seen.
    const fresh = openTestHome({ database, clock: createManualClock(NOW) });
    const answer = await tickOnce(fresh, { lastMs: null });
    expect(answer.amnesty).toBe(true);
    await sweep(fresh);
    expect(await leasesOf(home, job.id)).toEqual(['ACTIVE']);
    expect(await sessionOf(bot.name)).toMatchObject({ state: 'OPEN' });
    expect(only(await waits.poll([active(only(waits.created).id)], { at: fresh })).state).toBe('ACTIVE');
    // Who does not come back within it is lost.
    await at(10 * MINUTE + 90_001);
    await sweep(fresh);
    expect(await leasesOf(home, job.id)).toEqual(['LOST']);
  });

  /** How bots come back that had to stop the work: as those of the SDK do, and as others may. */
  const returns = {
    'with a new session': async () => {
      await connect(home, 'b', { status: 2 });
    },
    'in its session': async (bot: TestBot) => {
      for (let calls = 0; calls < 2; calls += 1) await bot.poll([], { status: 2 });
    },
  } as const;

  describe.each(['with a new session', 'in its session'] as const)(
    'and a bot that returns %s without the lease',
    (how) => {
      const attemptsOf = async (id: number) => {
        const { rows } = await database.pool.query(
          'select state, attempts, attempts_max as max, failure from jobs where id = $1',
          [id],
        );
        return rows[0];
      };
      const attempt = async () => {
        const bot = await connect(home, 'b');
        await bot.poll([active(only(bot.created).id)]);
        return bot;
      };

      it.each([
        ['has been noticed', () => tickOnce(home, { lastMs: 0 })],
        ['has not been noticed yet', () => Promise.resolve()],
      ])(
        'costs no attempt when it %s: the job has one more, and the partner hears the end of this one',
        async (_, notice) => {
          const job = await enqueueJob(home, jobRequest({ serials: mlb('U1'), attemptsMax: 1 }));
          const bot = await connect(home, 'b', { duts: [board('U1')] });
          await tickOnce(home, { lastMs: 0 });
          await bot.poll([active(only(bot.created).id)]);
          await at(2 * MINUTE);
          await notice();
          await returns[how](bot);
          expect(await attemptsOf(job.id)).toEqual({ state: 'QUEUED', attempts: 1, max: 2, failure: null });
          expect(await leasesOf(home, job.id)).toEqual(['LOST']);
          const { rows } = await database.pool.query(
            'select method from shopfloor_calls where job_id = $1 order by position',
            [job.id],
          );
          expect(rows).toEqual([{ method: 'NotifyStart' }, { method: 'UpdateTestResult' }]);
        },
      );

      it('costs one that it has started since', async () => {
        const job = await enqueueJob(home, jobRequest({ attemptsMax: 2 }));
        await tickOnce(home, { lastMs: 0 });
        const before = await attempt();
        await at(2 * MINUTE);
        await tickOnce(home, { lastMs: 0 });
        await returns[how](before);
        await at(2 * MINUTE + 10_000);
        await returns[how](await attempt());
        expect(await attemptsOf(job.id)).toEqual({ state: 'QUEUED', attempts: 2, max: 3, failure: null });
        await returns[how](await attempt());
        expect(await attemptsOf(job.id)).toEqual({ state: 'FAILED', attempts: 3, max: 3, failure: 'LOST' });
      });

      it('costs one once the amnesty is over', async () => {
        const job = await enqueueJob(home, jobRequest({ attemptsMax: 1, station: 'RUNIN' }));
        await tickOnce(home, { lastMs: 0 });
        const bot = await attempt();
        await at(2 * MINUTE);
        await tickOnce(home, { lastMs: 0 });
        await at(2 * MINUTE + 90_001);
        await database.pool.query('update replicas set last_seen_at = farm_now()');
        await returns[how](bot);
        expect(await attemptsOf(job.id)).toEqual({ state: 'FAILED', attempts: 1, max: 1, failure: 'LOST' });
      });
    },
  );
});
