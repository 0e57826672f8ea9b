import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobRequest } from '../../src/core/job-request.ts';
import { enqueueJob, enqueueJobs } from '../../src/farm/enqueue-job.ts';
import { addTallies } from '../../src/store/tallies.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createTestFarm, type TestFarm, testLine, testRule } from '../support/farm.ts';
import { connectBot, giveJob, runJob, stepLease } from '../support/fleet.ts';
import { jobRequest, mlb, testWork } from '../support/job-requests.ts';

const gated = new Map([
  ['FAT', testRule({ station: 'FAT', attemptsMax: 5 })],
  ['GRT', testRule({ station: 'GRT', mode: 'gate' })],
]);
const lines = [
  testLine(),
  testLine({ instance: 'line-2', shopfloorUrl: 'http://127.0.0.1:1/', stations: gated }),
  testLine({ instance: 'small' }),
  testLine({
    instance: 'listed',
    stations: new Map([['SMT', testRule({ station: 'SMT', tests: testWork('SMT').tests })]]),
  }),
];

let database: FreshDatabase;
let farm: TestFarm;
beforeAll(async () => {
  database = await freshDatabase();
  farm = createTestFarm({ database, lines });
});
afterAll(() => database.drop());

const count = async (table: string, where = 'true'): Promise<number> => {
  const { rows } = await database.pool.query<{ n: number }>(
    `select count(*)::integer as n from ${table} where ${where}`,
  );
  return rows[0]!.n;
};

/** A bot that holds the DUT's earlier job, so that it can be run. */
const anyBot = (botId: string) => connectBot(farm, { botId });

describe('enqueueing', () => {
  it('gives work that names no test all that its line lists for the station', async () => {
    const { tests } = testWork('SMT');
    const bare = { kind: 'work', work: { station: 'SMT', tests: [] } } as const;
    const job = await enqueueJob(farm, jobRequest({ instance: 'listed', station: 'SMT', task: bare }));
    expect(job.task).toEqual({ kind: 'work', work: { station: 'SMT', tests } });
    await expect(enqueueJob(farm, jobRequest({ instance: 'small', station: 'SMT', task: bare }))).rejects.toMatchObject(
      {
        reason: 'NO_TESTS',
      },
    );
  });

  it('answers with the job as it stands, wakes who could take it, and tells of it', async () => {
    const request = jobRequest({
      constraints: [{ key: 'label:pool', allowedValues: ['b', 'a'] }],
      priority: -3,
      queueTimeoutMs: 1500.2,
      executionTimeoutMs: 60_000,
    });
    const job = await enqueueJob(farm, request);
    expect(job).toMatchObject({
      instance: 'line-1',
      station: 'FAT',
      task: request.task,
      constraints: [{ key: 'pool', allowedValues: ['a', 'b'] }],
      state: 'QUEUED',
      heldBy: null,
      priority: -3,
      attempts: 0,
      attemptsMax: 3,
      queueTimeoutMs: 1501,
      executionTimeoutMs: 60_000,
      deviceId: null,
      lease: null,
    });
    expect(farm.wakes.at(-1)).toMatchObject({ kind: 'requirement', jobs: 1 });
    expect(farm.events.at(-1)).toMatchObject({ kind: 'JOB_ENQUEUED', jobId: job.id });
    expect(await count('farm_events', `job_id = ${job.id}`)).toBe(1);
  });

  it('takes constraints that are longer than an index bears, once for all jobs that have them', async () => {
    const allowedValues = Array.from({ length: 64 }, () => randomBytes(60).toString('base64'));
    const constraints = ['pool', 'fixture'].map((key) => ({ key, allowedValues }));
    const one = await enqueueJob(farm, jobRequest({ constraints }));
    const other = await enqueueJob(farm, jobRequest({ constraints: constraints.toReversed() }));
    expect(other.constraints).toEqual(one.constraints);
    expect(await count('requirements', `constraints @> '[{"key": "fixture"}]'`)).toBe(1);
  });

  it('keeps a foreign payload byte for byte', async () => {
    const task = { kind: 'foreign', typeUrl: 'type.example/x.Y', value: Buffer.from([0, 255, 10]) } as const;
    const job = await enqueueJob(farm, jobRequest({ station: '', task }));
    expect(job.task).toEqual(task);
  });

  it('takes attempts from the line where the job does not say', async () => {
    const request = jobRequest({ instance: 'line-2' });
    expect((await enqueueJob(farm, request)).attemptsMax).toBe(5);
    expect((await enqueueJob(farm, { ...request, attemptsMax: 1 })).attemptsMax).toBe(1);
  });

  it('wakes the bot that is asked for, and nobody else', async () => {
    const before = farm.wakes.length;
    await enqueueJob(farm, jobRequest({ requestedBotId: 'bot-7' }));
    expect(farm.wakes.slice(before)).toEqual([{ kind: 'bot', instance: 'line-1', botId: 'bot-7' }]);
  });

  it('refuses an unknown instance', async () => {
    await expect(enqueueJob(farm, jobRequest({ instance: 'line-9' }))).rejects.toMatchObject({
      reason: 'UNKNOWN_INSTANCE',
    });
  });

  it('takes a batch all or none, and says which job is at fault', async () => {
    const before = await count('jobs');
    const batch = [jobRequest(), jobRequest({ priority: 1e9 })];
    await expect(enqueueJobs(farm, batch)).rejects.toThrow('Job 2 of 2: The priority');
    expect(await count('jobs')).toBe(before);
  });

  it('refuses a batch of two instances', async () => {
    const batch = [jobRequest(), jobRequest({ instance: 'small' })];
    await expect(enqueueJobs(farm, batch)).rejects.toMatchObject({ reason: 'BATCH_OF_MANY_INSTANCES' });
  });

  it('fails only the caller at fault among those that share a commit, and leaves nothing of it behind', async () => {
    const taken = enqueueJob(farm, jobRequest({ requestId: 'shared-1', serials: mlb('SH1') }));
    const refused = enqueueJobs(farm, [
      jobRequest({ requestId: 'shared-2', serials: mlb('SH2') }),
      jobRequest({ requestId: 'shared-1', priority: 4 }),
    ]);
    const alsoTaken = enqueueJob(farm, jobRequest({ requestId: 'shared-2', serials: mlb('SH3') }));
    await expect(refused).rejects.toMatchObject({ kind: 'ALREADY_EXISTS' });
    expect((await taken).serials).toEqual(mlb('SH1'));
    expect((await alsoTaken).serials).toEqual(mlb('SH3'));
    expect(await count('device_serials', `value = 'SH2'`)).toBe(0);
  });
});

describe('a repeated request id', () => {
  it('answers the job that the first one made, as it is now', async () => {
    const request = jobRequest({ requestId: 'once' });
    const first = await enqueueJob(farm, request);
    await giveJob(farm, await anyBot('bot-once'), first.id);
    expect(await enqueueJob(farm, request)).toMatchObject({ id: first.id, state: 'LEASED', botId: 'bot-once' });
  });

  it('is refused when it asks for something else', async () => {
    await enqueueJob(farm, jobRequest({ requestId: 'other' }));
    const other = enqueueJob(farm, jobRequest({ requestId: 'other', priority: 1 }));
    await expect(other).rejects.toMatchObject({ kind: 'ALREADY_EXISTS', reason: 'REQUEST_ID_REUSED' });
  });

  it('makes one job within one batch', async () => {
    const request = jobRequest({ requestId: 'twin' });
    const [a, b] = await enqueueJobs(farm, [request, request]);
    expect(a!.id).toBe(b!.id);
  });

  it('makes one job when two replicas are asked at once', async () => {
    const replica = createTestFarm({ database, lines });
    const requests = Array.from({ length: 40 }, (_, index) =>
      jobRequest({ requestId: `race-${index}`, serials: mlb('R1') }),
    );
    const answers = await Promise.all(
      [farm, replica].flatMap((each) => requests.map((request) => enqueueJob(each, request))),
    );
    const ids = answers.map(({ id }) => id);
    expect(ids.slice(0, 40)).toEqual(ids.slice(40));
    expect(new Set(ids).size).toBe(40);
    expect(await count('jobs', `request_id like 'race-%'`)).toBe(40);
    expect(await count('device_serials', `value = 'R1'`)).toBe(1);
  });

  it('is free again after 24 hours', async () => {
    const request = jobRequest({ requestId: 'daily' });
    const first = await enqueueJob(farm, request);
    await database.setNow(new Date(first.enqueuedAt.getTime() + 24 * 3600_000 + 1000));
    const second = await enqueueJob(farm, { ...request, priority: 9 }).finally(() => database.setNow(null));
    expect(second.id).toBeGreaterThan(first.id);
  });
});

describe('a pinned job', () => {
  it('finds the DUT by any of its serials and learns the others', async () => {
    const first = await enqueueJob(farm, jobRequest({ serials: mlb('P1') }));
    const both = { ...mlb('P1'), 'label:serials.serial_number': 'A1' };
    const second = await enqueueJob(farm, jobRequest({ serials: both }));
    const third = await enqueueJob(farm, jobRequest({ serials: { 'serials.serial_number': 'A1' } }));
    expect(new Set([first, second, third].map(({ deviceId }) => deviceId)).size).toBe(1);
    expect(third.serials).toEqual({ ...mlb('P1'), 'serials.serial_number': 'A1' });
    expect(farm.wakes.at(-1)).toEqual({ kind: 'device', id: first.deviceId });
    expect(await count('lanes', `device_id = ${first.deviceId ?? 0}`)).toBe(1);
  });

  it('is refused when its serials belong to two DUTs, naming both', async () => {
    const a = await enqueueJob(farm, jobRequest({ serials: mlb('T1') }));
    const b = await enqueueJob(farm, jobRequest({ serials: { 'serials.serial_number': 'T2' } }));
    const both = enqueueJob(farm, jobRequest({ serials: { ...mlb('T1'), 'serials.serial_number': 'T2' } }));
    await expect(both).rejects.toThrow(`serials.mlb_serial_number 'T1' to DUT ${a.deviceId}`);
    await expect(both).rejects.toThrow(`serials.serial_number 'T2' to DUT ${b.deviceId}`);
  });

  it('makes one DUT of a batch that names one', async () => {
    const jobs = await enqueueJobs(
      farm,
      [1, 2, 3].map(() => jobRequest({ serials: mlb('B1') })),
    );
    expect(new Set(jobs.map(({ deviceId }) => deviceId)).size).toBe(1);
  });

  it('is refused when its DUT would have too many serials', async () => {
    const tight = createTestFarm({ database, lines, limits: { devices: { serialsMax: 2 } } });
    await enqueueJob(tight, jobRequest({ serials: mlb('X1') }));
    await enqueueJob(tight, jobRequest({ serials: { ...mlb('X1'), 'serials.a': '1' } }));
    const third = enqueueJob(tight, jobRequest({ serials: { ...mlb('X1'), 'serials.b': '2' } }));
    await expect(third).rejects.toMatchObject({ reason: 'TOO_MANY_SERIALS' });
  });

  it('is held while its DUT is', async () => {
    const { deviceId } = await enqueueJob(farm, jobRequest({ serials: mlb('H1') }));
    await database.pool.query(`update devices set held_reason = 'two boards, one serial' where id = $1`, [deviceId]);
    const before = farm.wakes.length;
    const held = await enqueueJob(farm, jobRequest({ serials: mlb('H1') }));
    expect(held).toMatchObject({ heldBy: 'DEVICE', heldReason: 'its DUT is held: two boards, one serial' });
    expect(farm.wakes).toHaveLength(before);
  });

  it('of a gated station waits for its turn to ask, and wakes its DUT for that', async () => {
    const job = await enqueueJob(farm, jobRequest({ instance: 'line-2', station: 'GRT', serials: mlb('G1') }));
    expect(job).toMatchObject({ heldBy: 'GATE_TURN' });
    expect(farm.wakes.at(-1)).toEqual({ kind: 'device', id: job.deviceId });
  });

  it('behind another on its route wakes the DUT: a look in that moment has passed over the head, which was locked', async () => {
    const head = await enqueueJob(farm, jobRequest({ serials: mlb('W1'), route: 'w' }));
    const before = farm.wakes.length;
    await enqueueJob(farm, jobRequest({ serials: mlb('W1'), route: 'w' }));
    expect(farm.wakes.slice(before)).toEqual([{ kind: 'device', id: head.deviceId }]);
  });

  it('gets ids in the order of enqueueing, however many replicas enqueue at once', async () => {
    const replica = createTestFarm({ database, lines });
    const rounds = Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? farm : replica));
    const jobs = await Promise.all(
      rounds.map((each) => enqueueJob(each, jobRequest({ serials: mlb('O1'), route: 'o' }))),
    );
    const inOrder = jobs.toSorted((a, b) => a.id - b.id);
    // Each waits for the one before it: had an id been drawn out of order, the chain would be broken.
    expect(inOrder.map(({ heldReason }) => heldReason)).toEqual([
      null,
      ...inOrder.slice(0, -1).map(({ id }) => `waits for job ${id} of route o`),
    ]);
  });
});

const onRoute = (serial: string, changes: Partial<JobRequest> = {}): JobRequest =>
  jobRequest({ serials: mlb(serial), route: 'main', ...changes });

describe('a route', () => {
  it('holds each job of a batch behind the one before', async () => {
    const [smt, fat, runin] = await enqueueJobs(
      farm,
      ['SMT', 'FAT', 'RUNIN'].map((station) =>
        onRoute('U1', { station, task: { kind: 'work', work: testWork(station) } }),
      ),
    );
    expect(smt!.heldBy).toBeNull();
    expect([fat, runin].map((job) => [job!.heldBy, job!.heldReason])).toEqual([
      ['ROUTE', `waits for job ${smt!.id} of route main`],
      ['ROUTE', `waits for job ${fat!.id} of route main`],
    ]);
  });

  it('is of one DUT: another unit under the same name does not wait', async () => {
    await enqueueJob(farm, onRoute('U2'));
    expect((await enqueueJob(farm, onRoute('U3'))).heldBy).toBeNull();
  });

  it('starts afresh when all its jobs have ended, even badly', async () => {
    const bot = await anyBot('bot-afresh');
    const first = await enqueueJob(farm, onRoute('U4'));
    await runJob(farm, bot, first.id, 'FAILED');
    expect((await enqueueJob(farm, onRoute('U4'))).heldBy).toBeNull();
  });

  it('that was stopped holds what is enqueued later, for the same reason', async () => {
    const bot = await anyBot('bot-stopped');
    const [first, second] = await enqueueJobs(farm, [onRoute('U5'), onRoute('U5')]);
    await runJob(farm, bot, first!.id, 'FAILED');
    const third = await enqueueJob(farm, onRoute('U5'));
    expect(third.heldBy).toBe('ROUTE_STOPPED');
    expect(third.heldReason).toContain(`job ${first!.id} (FAT) did not pass`);
    expect(second!.heldBy).toBe('ROUTE');
  });

  it('does not queue a job behind one that is ending at this moment', async () => {
    const bot = await anyBot('bot-ending');
    const first = await enqueueJob(farm, onRoute('U6'));
    await giveJob(farm, bot, first.id);
    await stepLease(farm, first.id, { event: 'SHOWN_ACTIVE' });
    // Another replica ends the job in a transaction that has not committed yet.
    const ending = await database.pool.connect();
    await ending.query('begin');
    await ending.query(`update jobs set state = 'CANCELLED', ended_at = farm_now() where id = $1`, [first.id]);
    const tally = { family: 'job', instance: 'line-1', label: 'FAT' } as const;
    await addTallies(ending, [
      { ...tally, state: 'LEASED', n: -1 },
      { ...tally, state: 'CANCELLED', n: 1 },
    ]);
    const second = enqueueJob(farm, onRoute('U6'));
    await untilSomeoneWaits(database);
    await ending.query('commit');
    ending.release();
    expect((await second).heldBy).toBeNull();
  });
});

/** Until some statement in the database waits for a lock. */
const untilSomeoneWaits = async ({ pool }: FreshDatabase): Promise<void> => {
  for (;;) {
    const { rows } = await pool.query<{ waiting: boolean }>(
      `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as waiting`,
    );
    if (rows[0]!.waiting) return;
  }
};

describe('the queue of an instance', () => {
  it('has an end: a batch that would pass it is refused whole', async () => {
    const tight = createTestFarm({ database, lines, limits: { jobs: { queuedMax: 3 } } });
    const request = jobRequest({ instance: 'small' });
    await enqueueJobs(tight, [request, request]);
    const batch = enqueueJobs(tight, [request, request]);
    await expect(batch).rejects.toMatchObject({ kind: 'LIMIT_REACHED', reason: 'QUEUE_FULL' });
    await enqueueJob(tight, request);
    expect(await count('jobs', `instance = 'small'`)).toBe(3);
  });

  it('is counted exactly: its tallies are its jobs', async () => {
    const { rows } = await database.pool.query(
      `select t.instance, t.label, t.state, t.n from (
         select instance, label, state, sum(n)::bigint as n from tallies where family = 'job'
         group by instance, label, state having sum(n) <> 0) t
       full join (select instance, station, state, count(*) as n from jobs group by 1, 2, 3) j
         on j.instance = t.instance and j.station = t.label and j.state = t.state and j.n = t.n
       where j.n is null or t.n is null`,
    );
    expect(rows).toEqual([]);
  });
});
