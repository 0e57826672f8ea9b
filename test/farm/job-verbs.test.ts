import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { drainBots } from '../../src/farm/drain-bots.ts';
import { enqueueJob, enqueueJobs } from '../../src/farm/enqueue-job.ts';
import { explainJob } from '../../src/farm/explain-job.ts';
import { getJob } from '../../src/farm/get-job.ts';
import { listJobs } from '../../src/farm/list-jobs.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createTestFarm, type TestFarm, testLine } from '../support/farm.ts';
import { allResults, connectBot, giveJob, runJob, stepLease } from '../support/fleet.ts';
import { jobRequest, mlb, testWork } from '../support/job-requests.ts';

let database: FreshDatabase;
let farm: TestFarm;
beforeAll(async () => {
  database = await freshDatabase();
  farm = createTestFarm({ database, lines: [testLine(), testLine({ instance: 'line-2' })] });
});
afterAll(() => database.drop());

const instance = 'line-1';
const work = (testIds: readonly string[]) => ({ task: { kind: 'work', work: testWork('FAT', testIds) } }) as const;

describe('getting a job', () => {
  it('shows its end, its verdict and the results of its last attempt', async () => {
    const { id } = await enqueueJob(farm, jobRequest(work(['a', 'b'])));
    const bot = await connectBot(farm, { botId: 'get-1' });
    await giveJob(farm, bot, id);
    await stepLease(farm, id, { event: 'SHOWN_ACTIVE' });
    await stepLease(farm, id, { event: 'COMPLETED_RETRYABLE', why: 'the fixture jammed' });
    await runJob(farm, bot, id, 'PASSED', ['a', 'b']);
    const job = await getJob(farm, { instance, id });
    expect(job).toMatchObject({ state: 'FINISHED', verdict: 'PASSED', attempts: 2, botId: 'get-1', lease: null });
    expect(job.results?.map(({ testId, status }) => [testId, status])).toEqual([
      ['a', 'PASSED'],
      ['b', 'PASSED'],
    ]);
    expect(job.startedAt).not.toBeNull();
    expect(job.endedAt).not.toBeNull();
  });

  it('shows the lease it is in', async () => {
    const { id } = await enqueueJob(farm, jobRequest());
    const leaseId = await giveJob(farm, await connectBot(farm, { botId: 'get-2' }), id);
    expect((await getJob(farm, { instance, id })).lease).toEqual({ id: leaseId, state: 'PENDING' });
  });

  it.each([
    ['in another instance', 'line-2', null],
    ['that never was', instance, 999_999_999],
    ['beyond what a number holds', instance, 2 ** 60],
  ])('does not find one %s', async (_what, where, id) => {
    const job = await enqueueJob(farm, jobRequest());
    await expect(getJob(farm, { instance: where, id: id ?? job.id })).rejects.toMatchObject({ kind: 'NOT_FOUND' });
  });
});

describe('listing results', () => {
  it.each(['a\0', 'a\ud800', 'a'.repeat(2049)])('is not cancelled for a reason that cannot be kept', async (reason) => {
    const { id } = await enqueueJob(farm, jobRequest(work(['a'])));
    await expect(cancelJob(farm, { instance, id, reason })).rejects.toMatchObject({ kind: 'INVALID' });
    await cancelJob(farm, { instance, id, reason: ' none ' });
  });

  it('shows all attempts, and marks what counts for nothing', async () => {
    const { id } = await enqueueJob(farm, jobRequest(work(['a'])));
    const bot = await connectBot(farm, { botId: 'results-1' });
    await giveJob(farm, bot, id);
    await stepLease(farm, id, { event: 'SHOWN_ACTIVE' });
    await cancelJob(farm, { instance, id, reason: 'wrong unit' });
    const late = {
      errorMessage: '',
      measurements: [],
      attachments: [],
      startedAt: null,
      durationMs: null,
      logsTail: '',
    };
    const results = [{ ...late, testId: 'a', status: 'PASSED' as const }];
    const completion = { code: 0, message: '', results, unread: null, result: null };
    await stepLease(farm, id, { event: 'COMPLETED_OK', completion });
    expect(await allResults(farm, { instance, id })).toEqual([
      expect.objectContaining({ attempt: 1, botId: 'results-1', stale: true, result: results[0] }),
    ]);
    expect(await getJob(farm, { instance, id })).toMatchObject({
      state: 'CANCELLED',
      reason: 'wrong unit',
      results: [],
    });
  });
});

describe('listing jobs', () => {
  const all = async (asked: Partial<Parameters<typeof listJobs>[1]>) => {
    const ids: number[] = [];
    let pageToken = '';
    do {
      const page = await listJobs(farm, {
        instance,
        states: [],
        station: null,
        route: null,
        serial: null,
        pageSize: 2,
        ...asked,
        pageToken,
      });
      ids.push(...page.jobs.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return ids;
  };

  it('gives every job once, newest first, page by page', async () => {
    const jobs = await enqueueJobs(
      farm,
      [1, 2, 3, 4, 5].map(() => jobRequest({ station: 'PAGED' })),
    );
    expect(await all({ station: 'PAGED' })).toEqual(jobs.map(({ id }) => id).toReversed());
  });

  it('is not thrown off by jobs that come while pages are turned', async () => {
    const jobs = await enqueueJobs(
      farm,
      [1, 2, 3].map(() => jobRequest({ station: 'TURNED' })),
    );
    const asked = { instance, states: [], station: 'TURNED', route: null, serial: null, pageSize: 2, pageToken: '' };
    const { nextPageToken } = await listJobs(farm, asked);
    await enqueueJob(farm, jobRequest({ station: 'TURNED' }));
    const rest = await listJobs(farm, { ...asked, pageToken: nextPageToken });
    expect(rest.jobs.map(({ id }) => id)).toEqual([jobs[0]!.id]);
    expect(rest.nextPageToken).toBe('');
  });

  it('filters by state, by route and by any serial of the DUT', async () => {
    const [first, second] = await enqueueJobs(
      farm,
      [1, 2].map(() => jobRequest({ serials: mlb('L1'), route: 'listed' })),
    );
    await cancelJob(farm, { instance, id: second!.id, reason: '' });
    expect(await all({ route: 'listed' })).toEqual([second!.id, first!.id]);
    expect(await all({ serial: 'L1', states: ['CANCELLED', 'FAILED'] })).toEqual([second!.id]);
    expect(await all({ serial: 'nobody' })).toEqual([]);
  });

  it('ends a page early rather than send a message that is too big', async () => {
    const value = new Uint8Array(1024 * 1024);
    const task = { kind: 'foreign', typeUrl: 'x/y.Z', value } as const;
    const big = { station: '', task, requestedBotId: 'big' };
    await enqueueJobs(
      farm,
      [1, 2, 3].map(() => jobRequest({ ...big, instance: 'line-2' })),
    );
    const asked = {
      instance: 'line-2',
      states: [],
      station: null,
      route: null,
      serial: null,
      pageSize: 50,
      pageToken: '',
    };
    const page = await listJobs(farm, asked);
    expect(page.jobs).toHaveLength(2);
    expect((await listJobs(farm, { ...asked, pageToken: page.nextPageToken })).jobs).toHaveLength(1);
  });

  it('counts work as large as it is told: a list of numbers is several times what it is stored as', async () => {
    const [probe] = testWork('NUMBERS').tests;
    const tests = [{ ...probe!, args: { list: Array<number>(90_000).fill(1) } }];
    const task = { kind: 'work', work: { station: 'NUMBERS', tests } } as const;
    const jobs = await enqueueJobs(
      farm,
      [1, 2, 3, 4, 5].map(() => jobRequest({ station: 'NUMBERS', task })),
    );
    const asked = { instance, states: [], station: 'NUMBERS', route: null, serial: null, pageSize: 50, pageToken: '' };
    expect((await listJobs(farm, asked)).jobs).toHaveLength(2);
    expect(await all({ station: 'NUMBERS', pageSize: 50 })).toEqual(jobs.map(({ id }) => id).toReversed());
  });

  it('refuses a token of another question, and a negative size', async () => {
    const asked = { instance, states: [], station: 'PAGED', route: null, serial: null, pageSize: 1, pageToken: '' };
    const { nextPageToken } = await listJobs(farm, asked);
    const elsewhere = listJobs(farm, { ...asked, station: 'TURNED', pageToken: nextPageToken });
    await expect(elsewhere).rejects.toMatchObject({ kind: 'INVALID', reason: 'BAD_CURSOR' });
    await expect(listJobs(farm, { ...asked, pageSize: -1 })).rejects.toMatchObject({ reason: 'PAGE_SIZE' });
  });
});

describe('explaining a job', () => {
  const explained = async (changes: Parameters<typeof jobRequest>[0]) => {
    const { id } = await enqueueJob(farm, jobRequest(changes));
    return explainJob(farm, { instance, id });
  };
  const pool = (value: string) => ({ constraints: [{ key: 'pool', allowedValues: [value] }] });

  it('says that no bot has what it wants', async () => {
    await connectBot(farm, { botId: 'explain-0' });
    expect(await explained(pool('nowhere'))).toMatchObject({ code: 'NO_SUCH_BOT', candidates: [] });
  });

  it('says that a bot that is asked for is not there', async () => {
    expect((await explained({ requestedBotId: 'ghost' })).words).toContain("bot 'ghost', which is not connected");
  });

  it('says RUNNABLE when a bot is free, ALL_BUSY when all are busy, DRAINED when they are drained', async () => {
    const bot = await connectBot(farm, { botId: 'explain-1', properties: [['label:pool', 'e1']] });
    expect(await explained(pool('e1'))).toMatchObject({ code: 'RUNNABLE', candidates: [{ botId: 'explain-1' }] });
    const busy = await enqueueJob(farm, jobRequest(pool('e1')));
    await giveJob(farm, bot, busy.id);
    expect(await explained(pool('e1'))).toMatchObject({
      code: 'ALL_BUSY',
      candidates: [{ botId: 'explain-1', whyNot: 'it is busy with 1 of 1 leases' }],
    });
    expect(await explainJob(farm, { instance, id: busy.id })).toMatchObject({ code: 'RUNNING' });
    await drainBots(farm, { instance, pattern: 'explain-?', note: 'moving the rack', expiresInMs: null });
    expect(await explained(pool('e1'))).toMatchObject({
      code: 'DRAINED',
      candidates: [{ whyNot: 'it is drained: moving the rack' }],
    });
  });

  it('says what its DUT is at', async () => {
    expect(await explained({ serials: mlb('E2') })).toMatchObject({ code: 'DUT_ABSENT' });
    const first = await enqueueJob(farm, jobRequest({ serials: mlb('E2') }));
    const deviceIds = [first.deviceId!];
    const bot = await connectBot(farm, { botId: 'has-dut', deviceIds });
    expect(await explainJob(farm, { instance, id: first.id })).toMatchObject({ code: 'RUNNABLE' });
    await giveJob(farm, bot, first.id);
    const second = await explained({ serials: mlb('E2') });
    expect(second.code).toBe('DUT_BUSY');
    expect(second.words).toContain(`job ${first.id} on bot 'has-dut'`);
    await stepLease(farm, first.id, { event: 'SHOWN_ACTIVE' });
    await stepLease(farm, first.id, { event: 'LOST_AFTER_PASSED', why: 'its bot fell silent' });
    expect(await explained({ serials: mlb('E2') })).toMatchObject({ code: 'DUT_SETTLING' });
    await database.pool.query(`update devices set held_reason = 'ask Ada' where id = $1`, deviceIds);
    expect((await explainJob(farm, { instance, id: first.id })).words).toContain('is held: ask Ada');
  });

  it('says that the only bot refused it before', async () => {
    const bot = await connectBot(farm, { botId: 'refuser', properties: [['pool', 'e3']] });
    const { id } = await enqueueJob(farm, jobRequest(pool('e3')));
    await giveJob(farm, bot, id);
    await stepLease(farm, id, { event: 'COMPLETED_REFUSING', why: 'no fixture' });
    expect(await explainJob(farm, { instance, id })).toMatchObject({ code: 'BOT_AVOIDED' });
  });

  it('says how it ended', async () => {
    const { id } = await enqueueJob(farm, jobRequest());
    await cancelJob(farm, { instance, id, reason: 'shift is over' });
    expect((await explainJob(farm, { instance, id })).words).toBe('The job has ended: CANCELLED, shift is over.');
  });
});
