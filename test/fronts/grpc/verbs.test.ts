// The services of stationgrid.v1 and the Reservations API, through the generated codec and a real socket.
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  ReservationsService,
  Reservation,
  CancelResult,
  ReservationState,
  CreateReservationRequest,
} from '../../../src/gen/google/devtools/remoteworkers/v1test2/reservations.ts';
import { BotsService } from '../../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { DrainBotsRequest, FleetService, ListBotsRequest } from '../../../src/gen/stationgrid/v1/fleet.ts';
import {
  BatchEnqueueJobsRequest,
  EnqueueJobRequest,
  JobsService,
  JobState,
  ListJobsRequest,
  OnFailed,
  Verdict,
  type WatchJobResponse,
} from '../../../src/gen/stationgrid/v1/jobs.ts';
import { ReportTestResultsRequest, ResultsService } from '../../../src/gen/stationgrid/v1/results.ts';
import { ListCallsRequest, ListLanesRequest, ShopfloorService } from '../../../src/gen/stationgrid/v1/shopfloor.ts';
import { StationWork, TestStatus } from '../../../src/gen/stationgrid/v1/work.ts';
import { testLine, testRule } from '../../support/farm.ts';
import {
  create,
  enqueue,
  getJob,
  LeaseState,
  openDoor,
  refusedBy,
  showing,
  stationResult,
  type TestDoor,
  update,
} from './open-door.ts';

let door: TestDoor;
beforeAll(async () => {
  const gated = testRule({ station: 'GATED', mode: 'gate' });
  const line = testLine({
    stations: new Map([
      ['FAT', testRule({ station: 'FAT' })],
      ['GATED', gated],
    ]),
    shopfloorUrl: 'http://127.0.0.1:9/',
  });
  door = await openDoor({ lines: [line, testLine({ instance: '' })] });
});
afterAll(() => door.close());

let drawn = 0;
const only = () => {
  drawn += 1;
  const key = `test-${drawn}`;
  return {
    bot: {
      botId: `bot-${key}`,
      worker: { devices: [{ handle: 'primary', properties: [{ key: 'for', value: key }] }] },
    },
    constraints: [{ key: 'for', allowedValues: [key] }],
  };
};

test('a job comes back as it was asked for, with what the farm adds', async () => {
  const { constraints } = only();
  const run = {
    $case: 'command' as const,
    value: { argv: ['probe', '--fast'], env: { A: 'b' }, workingDirectory: '/tmp' },
  };
  const work = {
    station: 'FAT',
    tests: [
      { testId: 'FAT.Probe', run, args: { depth: 2, list: [1, 'two', null] }, timeout: { seconds: 90n } },
      { testId: 'FAT.Handled', run: { $case: 'handler' as const, value: 'measure' } },
    ],
    executionTimeout: { seconds: 600n },
  };
  const asked = {
    task: { $case: 'work', value: work },
    serials: { 'serials.mlb_serial_number': 'MLB-1' },
    constraints,
    requestedBotId: 'bot-x',
    priority: -5,
    route: 'main',
    onFailed: OnFailed.CONTINUE,
    attemptsMax: 7,
    queueTimeout: { seconds: 60n, nanos: 500_000_000 },
  };
  const job = await enqueue(door, asked);
  expect(job).toMatchObject({
    ...asked,
    instance: 'line-1',
    station: 'FAT',
    state: JobState.QUEUED,
    attempts: 0,
    heldBy: '',
  });
  expect(await getJob(door, job.id)).toEqual(job);
});

test('a request repeated under its id answers the same job; used for something else it is refused', async () => {
  const request = (priority: number) =>
    EnqueueJobRequest.create({
      requestId: 'once',
      job: {
        instance: 'line-1',
        priority,
        requestedBotId: 'nobody',
        task: { $case: 'work', value: { station: 'FAT', tests: [{ testId: 't' }] } },
      },
    });
  const first = await door.call(JobsService.enqueueJob, request(1));
  expect((await door.call(JobsService.enqueueJob, request(1))).id).toBe(first.id);
  expect(await refusedBy(door.call(JobsService.enqueueJob, request(2)))).toMatchObject({ code: 6 });
});

test('a batch is all or nothing, and says which of its jobs is wrong', async () => {
  const of = (station: string) => ({
    job: {
      instance: 'line-1',
      requestedBotId: 'nobody',
      task: { $case: 'work' as const, value: { station, tests: [{ testId: 't' }] } },
    },
  });
  const before = (await door.call(JobsService.listJobs, ListJobsRequest.create({ instance: 'line-1', pageSize: 500 })))
    .jobs.length;
  const batch = BatchEnqueueJobsRequest.create({ requests: [of('FAT'), of('NO_SUCH')] });
  const refused = await refusedBy(door.call(JobsService.batchEnqueueJobs, batch));
  expect(refused).toMatchObject({
    code: 3,
    reason: 'STATION_UNKNOWN',
    domain: 'stationgrid',
    metadata: { index: '1' },
  });
  const after = (await door.call(JobsService.listJobs, ListJobsRequest.create({ instance: 'line-1', pageSize: 500 })))
    .jobs.length;
  expect(after).toBe(before);
  const good = BatchEnqueueJobsRequest.create({ requests: [of('FAT'), of('FAT')] });
  expect((await door.call(JobsService.batchEnqueueJobs, good)).jobs).toHaveLength(2);
});

test('what cannot be a job is refused, each with its reason', async () => {
  const value = { station: 'FAT', tests: [{ testId: 't' }] };
  for (const [job, reason] of [
    [{ task: undefined }, 'NO_TASK'],
    [{ instance: 'nowhere' }, 'UNKNOWN_INSTANCE'],
    [{ task: { $case: 'work', value: { station: 'FAT' } } }, 'NO_TESTS'],
    [{ station: 'FFT' }, 'STATION_MISMATCH'],
    [{ onFailed: 9 }, 'ON_FAILED'],
    [{ route: 'a\0b', serials: { 'serials.mlb_serial_number': 'x' } }, 'TEXT_NOT_STORABLE'],
    [{ task: { $case: 'work', value: { ...value, tests: [{ testId: 'a\0b' }] } } }, 'TEXT_NOT_STORABLE'],
    [
      { task: { $case: 'payload', value: { typeUrl: 'x/stationgrid.v1.StationWork', value: Buffer.from([0xff]) } } },
      'PAYLOAD_NOT_DECODED',
    ],
    [{ queueTimeout: { seconds: -1n } }, 'DURATION_OUT_OF_RANGE'],
  ] as const) {
    expect(await refusedBy(enqueue(door, job)), reason).toMatchObject({ code: 3, reason });
  }
});

test('station work that comes as a payload is station work', async () => {
  const { constraints } = only();
  const value = Buffer.from(
    StationWork.encode(StationWork.create({ station: 'FAT', tests: [{ testId: 't' }] })).finish(),
  );
  const payload = { typeUrl: 'type.googleapis.com/stationgrid.v1.StationWork', value };
  const job = await enqueue(door, { task: { $case: 'payload', value: payload }, constraints });
  expect(job).toMatchObject({ station: 'FAT', task: { $case: 'work' } });
});

test('jobs that are not there are NOT_FOUND, whatever their number', async () => {
  for (const id of [0n, -1n, 999_999_999n, 2n ** 62n]) {
    expect(await refusedBy(getJob(door, id))).toMatchObject({ code: 5 });
    expect(await refusedBy(door.call(JobsService.cancelJob, { instance: 'line-1', id, reason: '' }))).toMatchObject({
      code: 5,
    });
    expect(await refusedBy(door.call(JobsService.explainJob, { instance: 'line-1', id }))).toMatchObject({ code: 5 });
  }
});

test('a list is walked page by page, and its token is of no use to another list', async () => {
  const { bot } = only();
  for (let i = 0; i < 5; i += 1) await enqueue(door, { requestedBotId: bot.botId });
  const asked = ListJobsRequest.create({ instance: 'line-1', states: [JobState.QUEUED], station: 'FAT', pageSize: 2 });
  const seen = new Set<bigint>();
  let page = await door.call(JobsService.listJobs, asked);
  for (;;) {
    for (const { id } of page.jobs) seen.add(id);
    if (page.nextPageToken === '') break;
    page = await door.call(JobsService.listJobs, { ...asked, pageToken: page.nextPageToken });
  }
  expect(seen.size).toBeGreaterThanOrEqual(5);
  const first = await door.call(JobsService.listJobs, asked);
  const misused = { ...asked, station: '', pageToken: first.nextPageToken };
  expect(await refusedBy(door.call(JobsService.listJobs, misused))).toMatchObject({ code: 3, reason: 'BAD_CURSOR' });
  expect(await refusedBy(door.call(JobsService.listJobs, { ...asked, states: [99 as JobState] }))).toMatchObject({
    reason: 'JOB_STATE',
  });
});

test('a queued job is cancelled at once, and cannot be cancelled again', async () => {
  const { constraints } = only();
  const { id } = await enqueue(door, { constraints });
  const cancel = () => door.call(JobsService.cancelJob, { instance: 'line-1', id, reason: 'not today' });
  expect(await cancel()).toMatchObject({ state: JobState.CANCELLED, reason: 'not today' });
  expect(await refusedBy(cancel())).toMatchObject({
    code: 9,
    reason: 'ALREADY_FINISHED',
    metadata: { state: 'CANCELLED' },
  });
});

test('a watch tells each event, can be resumed by its cursor, and ends with the job', async () => {
  const { bot, constraints } = only();
  const { id } = await enqueue(door, { constraints });
  const watch = (cursor = '') =>
    door.grpc.makeServerStreamRequest(
      JobsService.watchJob.path,
      JobsService.watchJob.requestSerialize,
      JobsService.watchJob.responseDeserialize,
      { instance: 'line-1', id, cursor },
    );
  const stream = watch();
  const messages: WatchJobResponse[] = [];
  const ended = (async () => {
    for await (const message of stream) messages.push(message as WatchJobResponse);
  })();
  const created = await create(door, bot);
  await update(door, showing(created, LeaseState.ACTIVE));
  await update(door, showing(created, LeaseState.COMPLETED, { result: stationResult() }));
  await ended;
  expect(messages.map(({ event }) => event)).toEqual(
    expect.arrayContaining(['', 'LEASE_GRANTED', 'LEASE_STARTED', 'JOB_FINISHED']),
  );
  expect(messages.at(-1)?.job).toMatchObject({ state: JobState.FINISHED, verdict: Verdict.VERDICT_PASSED });
  const rest: string[] = [];
  const granted = messages.findIndex(({ event }) => event === 'LEASE_GRANTED');
  for await (const message of watch(messages[granted]!.cursor)) rest.push((message as WatchJobResponse).event);
  expect(rest).toEqual(messages.slice(granted + 1).map(({ event }) => event));
});

test('a watch of a job that is not there is refused, and one whose watcher leaves makes room again', async () => {
  const watch = (id: bigint) =>
    door.grpc.makeServerStreamRequest(
      JobsService.watchJob.path,
      JobsService.watchJob.requestSerialize,
      JobsService.watchJob.responseDeserialize,
      { instance: 'line-1', id, cursor: '' },
    );
  const missing = new Promise((_, reject) =>
    watch(999_999_999n)
      .on('error', reject)
      .on('data', () => undefined),
  );
  expect(await refusedBy(missing)).toMatchObject({ code: 5, reason: 'NO_SUCH_JOB' });
  const { constraints } = only();
  const { id } = await enqueue(door, { constraints });
  const handled = () => door.counted.filter(({ method }) => method === 'WatchJob').length;
  const before = handled();
  const left = watch(id).on('error', () => undefined);
  await new Promise((resolve) => left.once('data', resolve));
  left.cancel();
  while (handled() === before) await new Promise(setImmediate);
  expect(door.counted.at(-1)).toEqual({ method: 'WatchJob', code: 1 });
});

test('explains why a job waits', async () => {
  const { constraints } = only();
  const { id } = await enqueue(door, { constraints });
  const explained = await door.call(JobsService.explainJob, { instance: 'line-1', id });
  expect(explained.code).toBe('NO_SUCH_BOT');
  expect(explained.words).not.toBe('');
});

test('a gated job waits for the shopfloor; an override needs a reason, and a retry a refusal', async () => {
  const { bot } = only();
  const serials = { 'serials.mlb_serial_number': `MLB-${bot.botId}` };
  const { id } = await enqueue(door, {
    task: { $case: 'work', value: { station: 'GATED', tests: [{ testId: 't' }] } },
    serials,
  });
  expect((await getJob(door, id)).heldBy).toMatch(/^GATE/);
  const name = { instance: 'line-1', id };
  expect(await refusedBy(door.call(JobsService.overrideGate, { ...name, reason: ' ' }))).toMatchObject({
    code: 3,
    reason: 'REASON_MISSING',
  });
  expect(await refusedBy(door.call(JobsService.retryGate, { ...name, reason: '' }))).toMatchObject({
    code: 9,
    reason: 'GATE_NOT_REFUSED',
  });
});

test('shows bots with all they declare, and why they get no work', async () => {
  const { bot } = only();
  const created = await create(door, { ...bot, version: '7' });
  const shown = await door.call(FleetService.getBot, { instance: 'line-1', botId: bot.botId });
  expect(shown).toMatchObject({
    connected: true,
    status: 'OK',
    version: '7',
    capacity: 1,
    session: created.name,
    whyNoWork: '',
    drain: undefined,
  });
  expect(shown.properties).toEqual([{ key: 'for', values: [expect.stringContaining('test-')] }]);
  const drain = DrainBotsRequest.create({
    instance: 'line-1',
    pattern: bot.botId,
    note: 'calibration',
    expiresIn: { seconds: 3600n },
  });
  const drained = await door.call(FleetService.drainBots, drain);
  expect(drained.expireTime!.seconds - drained.createTime!.seconds).toBe(3600n);
  const page = await door.call(
    FleetService.listBots,
    ListBotsRequest.create({ instance: 'line-1', pattern: `${bot.botId}*` }),
  );
  expect(page.bots).toMatchObject([{ botId: bot.botId, drain: { note: 'calibration' } }]);
  expect(page.bots[0]!.whyNoWork).toMatch(/calibration/);
  expect(await door.call(FleetService.undrainBots, { instance: 'line-1', pattern: bot.botId })).toEqual({});
  expect(
    await refusedBy(door.call(FleetService.undrainBots, { instance: 'line-1', pattern: bot.botId })),
  ).toMatchObject({ code: 5 });
});

test('a quarantined bot is given nothing until somebody releases it', async () => {
  const { bot, constraints } = only();
  const created = await create(door, bot);
  const name = { instance: 'line-1', botId: bot.botId };
  expect(await refusedBy(door.call(FleetService.quarantineBot, { ...name, reason: '' }))).toMatchObject({ code: 3 });
  expect(
    await refusedBy(door.call(FleetService.quarantineBot, { ...name, botId: 'nobody', reason: 'x' })),
  ).toMatchObject({ code: 5 });
  expect(await door.call(FleetService.quarantineBot, { ...name, reason: 'smoke' })).toMatchObject({
    quarantineReason: 'smoke',
  });
  await enqueue(door, { constraints });
  expect((await update(door, created)).leases).toEqual([]);
  expect(await door.call(FleetService.releaseBot, { ...name, reason: 'was steam' })).toMatchObject({
    quarantineReason: '',
  });
});

test('finds a DUT by any serial, and releases it only from a hold', async () => {
  const { bot } = only();
  const value = `MLB-${bot.botId}`;
  await enqueue(door, { serials: { 'serials.mlb_serial_number': value } });
  const device = await door.call(FleetService.getDevice, { instance: 'line-1', name: '', value });
  expect(device).toMatchObject({ serials: { 'serials.mlb_serial_number': value }, heldReason: '', data: {} });
  const release = (id: bigint) =>
    door.call(FleetService.releaseDevice, { instance: 'line-1', id, reason: 'looked at' });
  expect(await refusedBy(release(device.id))).toMatchObject({ code: 9, reason: 'DEVICE_NOT_HELD' });
  expect(await refusedBy(release(999_999n))).toMatchObject({ code: 5 });
  await door.database.pool.query(`update devices set held_reason = 'two owners' where id = $1`, [device.id]);
  expect(await release(device.id)).toMatchObject({ id: device.id, heldReason: '' });
});

test('results arrive while the lease runs, once each, and not after it has ended', async () => {
  const { bot, constraints } = only();
  const { id } = await enqueue(door, { constraints });
  const created = await create(door, bot);
  await update(door, showing(created, LeaseState.ACTIVE));
  const measured = {
    name: 'i',
    value: { $case: 'number' as const, value: Number.NaN },
    unit: 'mA',
    max: 3.5,
    verdict: TestStatus.FAILED,
  };
  const report = (status: TestStatus, testId = 'FAT.Probe', leaseId = created.leases[0]!.id) =>
    door.call(
      ResultsService.reportTestResults,
      ReportTestResultsRequest.create({
        session: created.name,
        leaseId,
        results: [
          {
            testId,
            status,
            measurements: [measured],
            startTime: { seconds: 1_700_000_000n },
            duration: { seconds: 2n, nanos: 500_000_000 },
          },
        ],
      }),
    );
  expect(await report(TestStatus.PASSED)).toEqual({ stored: 1, repeated: 0, stale: 0, fenced: false });
  expect(await report(TestStatus.PASSED)).toEqual({ stored: 0, repeated: 1, stale: 0, fenced: false });
  expect(await report(TestStatus.FAILED)).toEqual({ stored: 0, repeated: 0, stale: 1, fenced: false });
  expect(await refusedBy(report(TestStatus.TEST_STATUS_UNSPECIFIED))).toMatchObject({
    code: 3,
    reason: 'RESULT_STATUS',
  });
  expect(await refusedBy(report(TestStatus.PASSED, ''))).toMatchObject({ code: 3, reason: 'NAME_EMPTY' });
  for (const leaseId of ['', 'no lease of ours', 'a\0', '00000000-0000-4000-8000-000000000000'])
    expect(await report(TestStatus.PASSED, 'FAT.Probe', leaseId)).toMatchObject({ stored: 0, fenced: true });
  // A completion without results stands on those reported before.
  await update(door, showing(created, LeaseState.COMPLETED));
  expect((await getJob(door, id)).verdict).toBe(Verdict.VERDICT_PASSED);
  expect(await report(TestStatus.PASSED)).toMatchObject({ stored: 0, fenced: true });
  const { results } = await door.call(ResultsService.listTestResults, {
    instance: 'line-1',
    jobId: id,
    pageSize: 0,
    pageToken: '',
  });
  expect(results.map(({ stale, attempt, botId }) => [stale, attempt, botId])).toEqual([
    [false, 1, bot.botId],
    [true, 1, bot.botId],
  ]);
  expect(results[0]!.result).toMatchObject({
    measurements: [{ name: 'i', value: { $case: 'text', value: 'NaN' }, unit: 'mA', min: undefined, max: 3.5 }],
    startTime: { seconds: 1_700_000_000n },
    duration: { seconds: 2n, nanos: 500_000_000 },
  });
});

test('shows the calls that a run owes, and the lane they stand in', async () => {
  const { bot } = only();
  const serial = `MLB-${bot.botId}`;
  const { id } = await enqueue(door, { serials: { 'serials.mlb_serial_number': serial } });
  const created = await create(door, {
    ...bot,
    worker: { devices: [{ handle: 'x', properties: [{ key: 'serials.mlb_serial_number', value: serial }] }] },
  });
  await update(door, showing(created, LeaseState.ACTIVE));
  await update(door, showing(created, LeaseState.COMPLETED, { result: stationResult() }));
  const { calls } = await door.call(
    ShopfloorService.listCalls,
    ListCallsRequest.create({ instance: 'line-1', serial }),
  );
  expect(calls.map(({ method, position, jobId }) => [method, position, jobId])).toEqual([
    ['NotifyEnd', 3n, id],
    ['UpdateTestResult', 2n, id],
    ['NotifyStart', 1n, id],
  ]);
  const { lanes } = await door.call(ShopfloorService.listLanes, ListLanesRequest.create({ instance: 'line-1' }));
  expect(lanes.find((lane) => lane.serial === serial)).toMatchObject({
    owed: 3n,
    blocked: false,
    head: { method: 'NotifyStart' },
  });
  const name = { instance: 'line-1', id: calls[0]!.id };
  expect(await refusedBy(door.call(ShopfloorService.retryCall, name))).toMatchObject({
    code: 9,
    reason: 'CALL_NOT_DEAD',
  });
  expect(await refusedBy(door.call(ShopfloorService.skipCall, { ...name, reason: 'x' }))).toMatchObject({
    code: 9,
    reason: 'CALL_NOT_AT_HEAD',
  });
  const head = { instance: 'line-1', id: calls[2]!.id };
  expect(await door.call(ShopfloorService.skipCall, { ...head, reason: 'partner knows' })).toMatchObject({
    skipReason: 'partner knows',
  });
  expect(await refusedBy(door.call(ShopfloorService.retryCall, { instance: 'line-1', id: 'none' }))).toMatchObject({
    code: 5,
  });
});

test('a reservation is a job in the words of the Remote Workers API', async () => {
  const { bot, constraints } = only();
  const name = `line-1/reservations/${bot.botId}`;
  const payload = { typeUrl: 'example.com/acme.Task', value: Buffer.from([1, 2]) };
  const reserve = (changes: object = {}) =>
    door.call(
      ReservationsService.createReservation,
      CreateReservationRequest.create({
        parent: 'line-1',
        reservation: {
          name,
          payload,
          constraints,
          matchTimeout: { seconds: 60n },
          priority: 3,
          groupId: 'g',
          ...changes,
        },
      }),
    );
  expect(await refusedBy(reserve({ matchTimeout: undefined }))).toMatchObject({ code: 9, reason: 'NO_MATCHING_BOT' });
  expect(await refusedBy(reserve({ constraints: [{ key: '', allowedValues: ['x'] }] }))).toMatchObject({ code: 3 });
  expect(await refusedBy(reserve({ payload: undefined }))).toMatchObject({ code: 3, reason: 'NO_PAYLOAD' });
  expect(await refusedBy(reserve({ name: 'elsewhere/reservations/x' }))).toMatchObject({
    code: 3,
    reason: 'RESERVATION_NAME',
  });
  const made = await reserve();
  expect(made).toMatchObject({
    name,
    payload,
    state: ReservationState.RESERVATION_PENDING,
    priority: 3,
    groupId: 'g',
    matchTimeout: { seconds: 60n },
  });
  expect(await refusedBy(reserve())).toMatchObject({ code: 6 });
  const get = (waitSeconds = 0n) => door.call(ReservationsService.getReservation, { name, waitSeconds });
  const created = await create(door, bot);
  expect(await get()).toMatchObject({
    state: ReservationState.RESERVATION_ASSIGNED,
    assignedBotId: bot.botId,
    status: undefined,
  });
  await update(door, showing(created, LeaseState.ACTIVE));
  expect((await get()).state).toBe(ReservationState.RESERVATION_ACTIVE);
  const waiting = get(60n);
  const result = { typeUrl: 'example.com/acme.Answer', value: Buffer.from([9]) };
  await update(door, showing(created, LeaseState.COMPLETED, { result }));
  const ended: Reservation = await waiting;
  expect(ended).toMatchObject({ state: ReservationState.RESERVATION_COMPLETED, status: { code: 0 }, result });
  const cancel = { name, intent: 2 as const };
  expect(await door.call(ReservationsService.cancelReservation, cancel)).toEqual({
    result: CancelResult.TASK_ALREADY_FINISHED,
  });
  expect(
    await refusedBy(door.call(ReservationsService.getReservation, { name: 'nonsense', waitSeconds: 0n })),
  ).toMatchObject({ code: 3 });
  expect(
    await refusedBy(door.call(ReservationsService.getReservation, { name: 'reservations/none', waitSeconds: 0n })),
  ).toMatchObject({ code: 5 });
});

test('the empty instance works end to end', async () => {
  const job = await enqueue(door, { instance: '' });
  const created = await create(door, { botId: 'lonely' }, '');
  expect(created.name).toMatch(/^\/[0-9a-f-]{36}$/);
  await update(door, showing(created, LeaseState.COMPLETED, { result: stationResult() }));
  expect(await door.call(JobsService.getJob, { instance: '', id: job.id })).toMatchObject({ state: JobState.FINISHED });
  const post = door.call(BotsService.postBotEventTemp, { name: created.name, type: 1, msg: 'ok' });
  expect(await post).toEqual({});
});
