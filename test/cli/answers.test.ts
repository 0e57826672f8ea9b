import { afterEach, expect, test } from 'vitest';
import { Bot, Device, Drain } from '../../src/gen/stationgrid/v1/fleet.ts';
import { ExplainJobResponse, Job, JobState, OnFailed, Verdict } from '../../src/gen/stationgrid/v1/jobs.ts';
import {
  type ListTestResultsRequest,
  type ResultNote,
  StoredTestResult,
} from '../../src/gen/stationgrid/v1/results.ts';
import { Call, CallState, Lane } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { TestStatus } from '../../src/gen/stationgrid/v1/work.ts';
import { type Canned, type CannedFarm, startCannedFarm } from './canned-farm.ts';
import { type CliOptions, runCli } from './run-cli.ts';

const farms: CannedFarm[] = [];
afterEach(() => {
  for (const farm of farms.splice(0)) farm.stop();
});

/** Runs words against a farm that answers so. */
const ask = async (words: readonly string[], canned: Canned, options: CliOptions = {}) => {
  const farm = await startCannedFarm(canned);
  farms.push(farm);
  const end = await runCli([...words, '--server', farm.address], options);
  return { ...end, asked: farm.asked };
};

const at = (iso: string) => ({ seconds: BigInt(Date.parse(iso) / 1000), nanos: 0 });

const passed = Job.fromPartial({
  id: 17n,
  instance: 'line1',
  station: 'FAT',
  serials: { 'serials.serial_number': 'SN-1' },
  state: JobState.FINISHED,
  verdict: Verdict.VERDICT_PASSED,
  attempts: 1,
  attemptsMax: 3,
  botId: 'bot-3',
  queueTimeout: { seconds: 90n, nanos: 500_000_000 },
  enqueueTime: at('2026-03-01T14:05:09Z'),
  results: [
    {
      testId: 'generic_main:FAT.Camera',
      status: TestStatus.PASSED,
      duration: { seconds: 1n, nanos: 250_000_000 },
      measurements: [{ name: 'sharpness', value: { $case: 'number', value: 0.93 }, unit: 'MTF' }],
    },
  ],
});
const held = Job.fromPartial({
  id: 18n,
  station: 'GRT',
  state: JobState.QUEUED,
  heldBy: 'GATE_REFUSED',
  heldReason: 'the shopfloor refused the start: unit unknown',
  enqueueTime: at('2026-03-01T14:06:00Z'),
});

test('lists jobs as a table', async () => {
  const { code, stdout, stderr, asked } = await ask(
    ['job', 'list', '--instance', 'line1', '--state', 'finished,queued'],
    {
      listJobs: () => ({ jobs: [passed, held], nextPageToken: '' }),
    },
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe(`\
ID  STATION  SERIALS             STATE                         VERDICT  ATTEMPTS  BOT    ENQUEUED             REASON
17  FAT      serial_number=SN-1  FINISHED                      PASSED   1         bot-3  2026-03-01 14:05:09  -
18  GRT      -                   QUEUED, held by GATE_REFUSED  -        0         -      2026-03-01 14:06:00  the shopfloor refused the start: unit unknown
`);
  expect(asked[0]!.request).toMatchObject({
    instance: 'line1',
    states: [JobState.FINISHED, JobState.QUEUED],
    pageSize: 50,
  });
});

test('lists jobs as one JSON array, times in RFC 3339 and durations in seconds', async () => {
  const { stdout } = await ask(['job', 'list', '-o', 'json'], {
    listJobs: () => ({ jobs: [passed], nextPageToken: '' }),
  });
  expect(JSON.parse(stdout)).toEqual([
    {
      id: '17',
      instance: 'line1',
      station: 'FAT',
      serials: { 'serials.serial_number': 'SN-1' },
      state: 'FINISHED',
      verdict: 'VERDICT_PASSED',
      attempts: 1,
      attemptsMax: 3,
      botId: 'bot-3',
      queueTimeout: '90.5s',
      enqueueTime: '2026-03-01T14:05:09.000Z',
      results: [
        {
          testId: 'generic_main:FAT.Camera',
          status: 'PASSED',
          duration: '1.25s',
          measurements: [{ name: 'sharpness', number: 0.93, unit: 'MTF' }],
        },
      ],
    },
  ]);
});

test('an empty list is an empty JSON array, and for people the head of the table', async () => {
  const nothing: Canned = { listBots: () => ({ bots: [], nextPageToken: '' }) };
  expect((await ask(['bots', 'list', '-o', 'json'], nothing)).stdout).toBe('[]\n');
  expect((await ask(['bots', 'list'], nothing)).stdout).toMatch(/^BOT +STATUS/);
});

test('reads page after page until the limit, and says that there are more', async () => {
  const pages: Canned = {
    listJobs: ({ pageSize, pageToken }) => ({
      jobs: Array.from({ length: Math.min(pageSize, 2) }, (_, i) =>
        Job.fromPartial({ id: Number(pageToken || 0) + i + 1 }),
      ),
      nextPageToken: String(Number(pageToken || 0) + 2),
    }),
  };
  const { stdout, stderr, asked } = await ask(['job', 'list', '--limit', '5', '-o', 'json'], pages);
  expect(JSON.parse(stdout)).toHaveLength(5);
  expect(asked).toHaveLength(3);
  expect(stderr).toBe('There are more: raise --limit, or --limit 0 for all.\n');
});

test('shows a job with its results', async () => {
  const { code, stdout } = await ask(['job', 'get', '17'], { getJob: () => passed });
  expect(code).toBe(0);
  expect(stdout).toBe(`\
Job:            17
Instance:       line1
Station:        FAT
Serials:        serial_number=SN-1
State:          FINISHED
Verdict:        PASSED
Attempts:       1 of 3
Bot:            bot-3
Priority:       0
Enqueued:       2026-03-01 14:05:09
Queue timeout:  90.5s

TEST                     STATUS  TIME   WHY  MEASURED
generic_main:FAT.Camera  PASSED  1.25s  -    sharpness=0.93 MTF
`);
});

test('says why a job does not run, and who could take it', async () => {
  const { stdout } = await ask(['job', 'why', '18'], {
    explainJob: () =>
      ExplainJobResponse.fromPartial({
        code: 'DRAINED',
        words: 'All bots that could are drained; undrain one.',
        candidates: [{ botId: 'bot-1', whyNot: 'drained: rack is being moved' }],
      }),
  });
  expect(stdout).toBe(`\
Job:      18
Why:      DRAINED
That is:  All bots that could are drained; undrain one.

BOT    WHY NOT
bot-1  drained: rack is being moved
`);
});

test('what bots and partners say cannot write over the screen', async () => {
  const { stdout } = await ask(['job', 'get', '18'], {
    getJob: () => ({ ...held, heldReason: 'evil \u001b[2J\r\nJob: 1\u202e' }),
  });
  expect(stdout).toContain('Reason:    evil  [2J Job: 1\n');
});

test('enqueues what the flags say', async () => {
  const words = ['job', 'enqueue', '--instance', 'line1', '--station', 'FAT', '--serial', 'serials.serial_number=SN-1'];
  const more = [
    '--test',
    `generic_main:FAT.Camera=./camera --name "front cam" --x='1 2'`,
    '--handler',
    'soak=simulate',
  ];
  const rest = [
    '--constraint',
    'pool=a,b',
    '--bot',
    'bot-3',
    '--priority',
    '-5',
    '--route',
    'main',
    '--on-failed',
    'stop',
  ];
  const last = ['--attempts', '2', '--queue-timeout', '5min', '--execution-timeout', '1500ms', '--request-id', 'r-1'];
  const { code, asked } = await ask([...words, ...more, ...rest, ...last], { enqueueJob: () => passed });
  expect(code).toBe(0);
  expect(asked[0]!.request).toMatchObject({
    requestId: 'r-1',
    job: {
      instance: 'line1',
      station: 'FAT',
      serials: { 'serials.serial_number': 'SN-1' },
      constraints: [{ key: 'pool', allowedValues: ['a', 'b'] }],
      requestedBotId: 'bot-3',
      priority: -5,
      route: 'main',
      onFailed: OnFailed.STOP,
      attemptsMax: 2,
      queueTimeout: { seconds: 300n, nanos: 0 },
      task: {
        $case: 'work',
        value: {
          station: 'FAT',
          executionTimeout: { seconds: 1n, nanos: 500_000_000 },
          tests: [
            {
              testId: 'generic_main:FAT.Camera',
              run: { $case: 'command', value: { argv: ['./camera', '--name', 'front cam', '--x=1 2'] } },
            },
            { testId: 'soak', run: { $case: 'handler', value: 'simulate' } },
          ],
        },
      },
    },
  });
});

const workFile = `
station: RUNIN
execution_timeout: 8h
tests:
  - test_id: runin.Stress
    command: { argv: [stress, -s, '60'], env: { CORE_COUNT: '4' } }
    timeout: 90 s
  - testId: runin.Battery
    handler: battery
    args: { max_cycles: 3 }
`;

test('enqueues a work file, and tests beside it', async () => {
  const { code, asked } = await ask(
    ['job', 'enqueue', '--work', '-', '--handler', 'extra=simulate'],
    { enqueueJob: () => passed },
    { input: workFile },
  );
  expect(code).toBe(0);
  expect(asked[0]!.request).toMatchObject({
    job: {
      station: 'RUNIN',
      task: {
        value: {
          executionTimeout: { seconds: 28_800n },
          tests: [
            {
              testId: 'runin.Stress',
              run: { value: { argv: ['stress', '-s', '60'], env: { CORE_COUNT: '4' } } },
              timeout: { seconds: 90n },
            },
            { testId: 'runin.Battery', run: { $case: 'handler', value: 'battery' }, args: { max_cycles: 3 } },
            { testId: 'extra' },
          ],
        },
      },
    },
  });
});

test('enqueues many alike in few requests, each with its own request id', async () => {
  const { code, stdout, asked } = await ask(
    ['job', 'enqueue', '--station', 'RUNIN', '--count', '1001', '--request-id', 'night', '-o', 'json'],
    {
      batchEnqueueJobs: ({ requests }) => ({ jobs: requests.map((_, i) => Job.fromPartial({ id: i + 1 })) }),
    },
  );
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toHaveLength(1001);
  const batches = asked.map(({ request }) => (request as { requests: { requestId: string }[] }).requests);
  expect(batches.map((batch) => batch.length)).toEqual([1000, 1]);
  expect(new Set(batches.flat().map(({ requestId }) => requestId)).size).toBe(1001);
  expect(batches[1]![0]!.requestId).toBe('night-1001');
});

const bot = Bot.fromPartial({
  instance: 'line1',
  botId: 'bot-3',
  connected: true,
  status: 'OK',
  version: '1.2',
  capacity: 2,
  serials: ['SN-1'],
  properties: [{ key: 'pool', values: ['a', 'b'] }],
  leases: [{ leaseId: 'L-1', jobId: 17, station: 'FAT', state: 'ACTIVE' }],
  lastSeenTime: at('2026-03-01T14:05:09Z'),
  whyNoWork: 'drained: rack is being moved',
  events: [{ type: 'ERROR', message: 'no camera', time: at('2026-03-01T14:00:00Z') }],
});

test('lists bots', async () => {
  const { stdout, asked } = await ask(['bots', 'list', '--pattern', 'bot-*', '--connected'], {
    listBots: () => ({ bots: [bot], nextPageToken: '' }),
  });
  expect(stdout).toBe(`\
BOT    STATUS  LEASES  SERIALS  VERSION  LAST SEEN            NO WORK BECAUSE
bot-3  OK      1/2     SN-1     1.2      2026-03-01 14:05:09  drained: rack is being moved
`);
  expect(asked[0]!.request).toMatchObject({ pattern: 'bot-*', connectedOnly: true });
});

test('shows a bot with what it holds, and what it posted', async () => {
  const { stdout } = await ask(['bots', 'get', 'bot-3'], { getBot: () => bot });
  expect(stdout).toContain('Status:                 OK, connected\n');
  expect(stdout).toContain('Properties:             pool=a,b\n');
  expect(stdout).toContain('LEASE  JOB  STATION  STATE\nL-1    17   FAT      ACTIVE\n');
  const events = await ask(['bots', 'events', 'bot-3'], { getBot: () => bot });
  expect(events.stdout).toBe('TIME                 TYPE   MESSAGE\n2026-03-01 14:00:00  ERROR  no camera\n');
});

test('drains, undrains, quarantines and releases bots', async () => {
  const drain = Drain.fromPartial({ pattern: 'rack7-*', note: 'rack is being moved' });
  const drained = await ask(['bots', 'drain', 'rack7-*', '--note', 'rack is being moved', '--for', '2h'], {
    drainBots: () => drain,
  });
  expect(drained.stdout).toContain('Drained until:  undrained\n');
  expect(drained.asked[0]!.request).toMatchObject({
    pattern: 'rack7-*',
    note: 'rack is being moved',
    expiresIn: { seconds: 7200n },
  });
  const undrained = await ask(['bots', 'undrain', 'rack7-*'], { undrainBots: () => ({}) });
  expect(undrained.stdout).toBe('The drain of rack7-* has ended.\n');
  const quarantined = await ask(['bots', 'quarantine', 'bot-3', '--reason', 'smoke'], { quarantineBot: () => bot });
  expect(quarantined.asked[0]!.request).toMatchObject({ botId: 'bot-3', reason: 'smoke' });
  const released = await ask(['bots', 'release', 'bot-3'], { releaseBot: () => bot });
  expect(released.code).toBe(0);
});

test('shows and releases a DUT', async () => {
  const device = Device.fromPartial({
    id: 5n,
    instance: 'line1',
    serials: { 'serials.mlb_serial_number': 'MLB-1' },
    data: { 'vpd.ro.region': 'us', 'component.has_touchscreen': true },
    settlingReason: 'its bot was lost',
    settlingUntil: at('2026-03-01T14:10:00Z'),
  });
  const { stdout } = await ask(['devices', 'get', 'MLB-1'], { getDevice: () => device });
  expect(stdout).toBe(`\
Device:    5
Instance:  line1
Serials:   mlb_serial_number=MLB-1
Held:      -
Settling:  its bot was lost, until 2026-03-01 14:10:00

KEY                        VALUE
vpd.ro.region              us
component.has_touchscreen  true
`);
  const released = await ask(['devices', 'release', '5', '--reason', 'looked at it'], { releaseDevice: () => device });
  expect(released.asked[0]!.request).toMatchObject({ id: 5n, reason: 'looked at it' });
});

const call = Call.fromPartial({
  id: '6b1f0c1e-0000-4000-8000-000000000001',
  deviceId: 5,
  position: 3,
  method: 'UpdateTestResult',
  station: 'FAT',
  testId: 'generic_main:FAT.Camera',
  status: 'PASSED',
  jobId: 17,
  state: CallState.DEAD,
  sends: 5,
  faults: 5,
  lastError: 'fault 3: unit unknown',
  createTime: at('2026-03-01T14:05:09Z'),
});

test('lists calls and lanes', async () => {
  const calls = await ask(['calls', 'list', '--state', 'DEAD', '--job', '17'], {
    listCalls: () => ({ calls: [call], nextPageToken: '' }),
  });
  expect(calls.stdout).toBe(`\
ID                                    DEVICE  POSITION  CALL                                                 JOB  STATE  SENDS  OWED                 LAST ERROR
6b1f0c1e-0000-4000-8000-000000000001  5       3         UpdateTestResult FAT generic_main:FAT.Camera PASSED  17   DEAD   5      2026-03-01 14:05:09  fault 3: unit unknown
`);
  expect(calls.asked[0]!.request).toMatchObject({ states: [CallState.DEAD], jobId: 17n });
  const lane = Lane.fromPartial({ deviceId: 5, serial: 'SN-1', owed: 4, head: call, blocked: true });
  const lanes = await ask(['lanes', 'list', '--blocked'], { listLanes: () => ({ lanes: [lane], nextPageToken: '' }) });
  expect(lanes.stdout).toMatch(/^DEVICE +SERIAL +OWED +BLOCKED +HEAD /);
  expect(lanes.asked[0]!.request).toMatchObject({ blockedOnly: true });
});

test('retries and skips a dead letter', async () => {
  const retried = await ask(['calls', 'retry', call.id], { retryCall: () => ({ ...call, state: CallState.OWED }) });
  expect(retried.stdout).toContain('State:               OWED\n');
  const skipped = await ask(['calls', 'skip', call.id, '--reason', 'told them by phone', '-o', 'json'], {
    skipCall: () => ({ ...call, state: CallState.CALL_SKIPPED, skipReason: 'told them by phone' }),
  });
  expect(JSON.parse(skipped.stdout)).toMatchObject({ state: 'CALL_SKIPPED', skipReason: 'told them by phone' });
});

test('lists the results of all attempts', async () => {
  const stored = StoredTestResult.fromPartial({ attempt: 1, botId: 'bot-3', stale: true, result: passed.results[0]! });
  const table = `\
ATTEMPT  BOT    COUNTS     TEST                     STATUS  TIME   WHY  MEASURED
1        bot-3  no, stale  generic_main:FAT.Camera  PASSED  1.25s  -    sharpness=0.93 MTF
`;
  const last = { results: [stored], notes: [], nextPageToken: '' };
  const plain = await ask(['results', 'list', '17'], { listTestResults: () => last });
  expect(plain.stdout).toBe(table);
  const found = () => ({ ...last, notes: [note] });
  const noted = await ask(['results', 'list', '17'], { listTestResults: found });
  expect(noted.stdout).toBe(`${table}\n${notes}`);
  expect((await ask(['results', 'notes', '17'], { listTestResults: found })).stdout).toBe(notes);
  const pages = ({ pageToken }: ListTestResultsRequest) =>
    pageToken === '' ? { ...found(), nextPageToken: 'two' } : { ...last, results: [{ ...stored, attempt: 2 }] };
  const both = await ask(['results', 'list', '17'], { listTestResults: pages });
  expect(both.stdout).toBe(`${table}${table.split('\n')[1]?.replace('1', '2')}\n\n${notes}`);
});

const note: ResultNote = {
  createTime: { seconds: 1_772_373_909n, nanos: 0 },
  author: 'member:ada',
  note: 'the probe was worn',
};
const notes = `\
WRITTEN              BY          NOTE
2026-03-01 14:05:09  member:ada  the probe was worn
`;

test('puts a note beside results', async () => {
  const words = ['results', 'annotate', '17', '--note', 'the probe was worn'];
  const { stdout, asked } = await ask(words, { annotateResults: () => note });
  expect(stdout).toBe(notes);
  expect(asked[0]!.request).toMatchObject({ jobId: 17n, note: 'the probe was worn' });
  const json = await ask([...words, '-o', 'json'], { annotateResults: () => note });
  expect(JSON.parse(json.stdout)).toMatchObject({ author: 'member:ada', note: 'the probe was worn' });
});

test('server and instance may come from the environment', async () => {
  const farm = await startCannedFarm({ getJob: () => passed });
  farms.push(farm);
  const { code } = await runCli(['job', 'get', '17'], {
    env: { STATIONGRID_SERVER: farm.address, STATIONGRID_INSTANCE: 'line9' },
  });
  expect(code).toBe(0);
  expect(farm.asked[0]!.request).toEqual({ instance: 'line9', id: 17n });
});
