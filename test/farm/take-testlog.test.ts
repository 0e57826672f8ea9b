/** Runs of tests that DUTs tell by Testlog: while a bot has the job of that station on that DUT, while the DUT itself has, and while nobody has. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { callOfDut } from '../../src/core/shopfloor-call.ts';
import { isOfStation, type ToldEvent } from '../../src/core/testlog.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { takeShopfloorCall } from '../../src/farm/take-shopfloor-call.ts';
import { takeTestlog } from '../../src/farm/take-testlog.ts';
import { forgetTestlog } from '../../src/store/testlog-events.ts';
import {
  active,
  board,
  connect,
  done,
  only,
  openTestHome,
  stateOf,
  type TestHome,
  testResult,
} from '../support/bot-calls.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { testLine } from '../support/farm.ts';
import { jobRequest, mlb, testWork } from '../support/job-requests.ts';
import { allResults } from '../support/fleet.ts';

const PROBE = 'generic_main:SMT.Probe';

let database: FreshDatabase;
let home: TestHome;
beforeEach(async () => {
  database = await freshDatabase();
  home = openTestHome({ database });
});
afterEach(async () => {
  await home.settled();
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

const told = (uuid: string, status: 'PASS' | 'FAIL' | 'RUNNING', changes: Partial<ToldEvent> = {}): ToldEvent => ({
  type: 'station.test_run',
  uuid,
  seq: null,
  dutTime: 1_700_000_000,
  serials: [{ name: 'serials.mlb_serial_number', value: 'U1' }],
  testRunId: 'run-1',
  run: {
    ...{ testRunId: 'run-1', testName: PROBE, testType: 'probe', status, startedAt: 1, endedAt: 2, durationS: 1 },
    result: status === 'RUNNING' ? null : testResult(PROBE, status === 'PASS' ? 'PASSED' : 'FAILED'),
  },
  event: {},
  attachments: {},
  ...changes,
});

const take = (...events: ToldEvent[]) =>
  takeTestlog(home, { instance: 'line-1', nodeId: null, peer: '127.0.0.1', events, bad: [] });

const runs = async () => {
  const { rows } = await database.pool.query<{ status: string; job: number | null }>(
    'select status, job_id as job from testlog_runs order by test_run_id',
  );
  return rows;
};

/** A bot at work on U1. */
const atWork = async (station: string) => {
  const task = { kind: 'work', work: testWork(station, [PROBE]) } as const;
  const job = await enqueueJob(home, jobRequest({ station, task, serials: mlb('U1') }));
  const bot = await connect(home, 'bot', { duts: [board('U1')] });
  const lease = bot.created.leases[0] ?? only(await bot.poll());
  await bot.poll([active(lease.id)]);
  return { job, bot, lease };
};

test('become results of the attempt that runs, and decide it as a bot’s own would', async () => {
  const { job, bot, lease } = await atWork('SMT');
  expect(await take(told('u-1', 'RUNNING'))).toEqual({ kept: 1, repeated: 0, quarantined: 0 });
  expect(await allResults(home, { instance: 'line-1', id: job.id })).toEqual([]);
  await take(told('u-2', 'FAIL'));
  // Told again, since its answer was lost.
  expect(await take(told('u-1', 'RUNNING'), told('u-2', 'FAIL'))).toEqual({ kept: 0, repeated: 2, quarantined: 0 });
  expect(await allResults(home, { instance: 'line-1', id: job.id })).toMatchObject([
    { attempt: 1, stale: false, result: { testId: PROBE, status: 'FAILED' } },
  ]);
  expect(await runs()).toEqual([{ status: 'FAIL', job: job.id }]);
  // The bot says the same at the end: it stands once.
  await bot.poll([done(lease.id, { results: [testResult(PROBE, 'FAILED')] })]);
  expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', verdict: 'FAILED' });
  expect(await allResults(home, { instance: 'line-1', id: job.id })).toHaveLength(1);
});

test('of a DUT that calls the shopfloor itself are results of its job, and the shopfloor hears of them from the DUT alone', async () => {
  home = openTestHome({ database, lines: [testLine({ shopfloorUrl: 'http://127.0.0.1:1/' })] });
  const said = { 'serials.mlb_serial_number': 'U1' };
  const start = { instance: 'line-1', call: callOfDut('NotifyStart', { station: 'SMT' }), said, peer: '10.0.0.1' };
  await takeShopfloorCall(home, start);
  await take(told('u-1', 'PASS'));
  const { rows } = await database.pool.query<{ id: number; session: string | null }>(
    'select job_id as id, session_name as session from open_leases',
  );
  expect(rows).toEqual([{ id: expect.any(Number), session: null }]);
  const id = rows[0]!.id;
  expect(await allResults(home, { instance: 'line-1', id })).toMatchObject([{ result: { testId: PROBE } }]);
  const { rows: calls } = await database.pool.query('select method from shopfloor_calls order by position');
  expect(calls).toEqual([{ method: 'NotifyStart' }]);
});

test('of another station, and of a DUT that nobody works on, are kept by themselves', async () => {
  const { job } = await atWork('FAT');
  await take(told('u-1', 'PASS'), told('u-2', 'PASS', { serials: [{ name: 'serials.serial_number', value: 'U9' }] }));
  expect(await allResults(home, { instance: 'line-1', id: job.id })).toEqual([]);
  expect(await runs()).toEqual([{ status: 'PASS', job: null }]);
});

test('are forgotten with their time, and not before', async () => {
  await take(told('u-1', 'PASS'));
  expect(await forgetTestlog(database.pool, { keepDays: 1, quarantinedMax: 10 }, 10)).toBe(0);
  await database.pool.query(`update testlog_events set received_at = received_at - interval '2 days'`);
  expect(await forgetTestlog(database.pool, { keepDays: 1, quarantinedMax: 10 }, 10)).toBe(1);
  expect(await runs()).toHaveLength(1);
});

test('of the events that were put aside the newest are kept, so many', async () => {
  const bad = (n: number) => ({
    ...{ sha256: String(n).padStart(64, '0'), bytes: 1, reason: 'odd', event: Buffer.from('x'), path: null },
    attachments: {},
  });
  const origin = { instance: 'line-1', nodeId: null, peer: '10.0.0.1' };
  for (let n = 0; n < 5; n += 1) await takeTestlog(home, { ...origin, events: [], bad: [bad(n)] });
  expect(await forgetTestlog(database.pool, { keepDays: 1, quarantinedMax: 3 }, 10)).toBe(2);
  const { rows } = await database.pool.query<{ n: number }>(
    `select encode(sha256, 'hex')::numeric::int as n from quarantined_events order by id`,
  );
  expect(rows.map(({ n }) => n)).toEqual([2, 3, 4]);
});

test.for([
  ['generic_main:SMT.Probe', 'SMT', true],
  ['generic_main:RunIn.Stress.CPU', 'RUNIN', true],
  ['main:SMT2.Probe', 'SMT', false],
  ['SMT', 'SMT', true],
  ['main:Probe', '', false],
] as const)('the test %s belongs to the station %s: %s', ([name, station, is]) => {
  expect(isOfStation(name, station)).toBe(is);
});
