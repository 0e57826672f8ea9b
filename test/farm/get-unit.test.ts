/** A unit's history and its route check: two stations, a lost attempt, a failed test, a report, an answer that was merged. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { annotateResults } from '../../src/farm/annotate-results.ts';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { checkStation } from '../../src/farm/check-station.ts';
import { drainBots } from '../../src/farm/drain-bots.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { explainJob } from '../../src/farm/explain-job.ts';
import { getUnit, type UnitEntry } from '../../src/farm/get-unit.ts';
import { keepDeviceInfo } from '../../src/farm/keep-device-info.ts';
import { keepUpload } from '../../src/farm/keep-upload.ts';
import { openGates } from '../../src/farm/open-gates.ts';
import { releaseDevice } from '../../src/farm/release-device.ts';
import { resolveEach } from '../../src/farm/resolve-devices.ts';
import { undrainBots } from '../../src/farm/undrain-bots.ts';
import { holdEachDevice } from '../../src/store/device-records.ts';
import { answerDue, YES } from '../support/answering.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createTestFarm, type TestFarm, testLine, testRule } from '../support/farm.ts';
import { connectBot, giveJob, runJob, stepLease, type TestBot } from '../support/fleet.ts';
import { jobRequest, mlb, testWork } from '../support/job-requests.ts';

const instance = 'line-1';
const FIRST_PAGE = { pageSize: 0, pageToken: '' };
const stations = new Map(
  ['SMT', 'FAT', 'GRT'].map((station) => [
    station,
    testRule({ station, mode: station === 'GRT' ? 'gate' : ('notify' as const) }),
  ]),
);

let database: FreshDatabase;
let farm: TestFarm;
let smt: number;
let fat: number;
let device: number;
let bot: TestBot;

const asked = (value: string, name: string | null = null) => ({ instance, name, value });
const history = (value: string, name: string | null = null) => getUnit(farm, { ...asked(value, name), ...FIRST_PAGE });

/** One word or two for each entry. */
const said = (entry: UnitEntry): string => {
  switch (entry.kind) {
    case 'JOB':
      return `${entry.station} enqueued`;
    case 'ATTEMPT':
      return `${entry.station} attempt ${String(entry.attempt.attempt)} ${entry.attempt.state}`;
    case 'RESULT':
      return `${entry.result.result.testId} ${entry.result.result.status}`;
    case 'UPLOAD':
      return entry.upload.path;
    case 'CALL':
      return [entry.call.method, entry.call.testId ?? entry.call.station, entry.call.state].join(' ');
    case 'EVENT':
      return `${entry.event.kind} ${String(entry.event.facts['keys'] ?? '')}`.trim();
    case 'NOTE':
      return entry.note.note;
  }
};

const enqueue = async (station: string, serial: string, route: string | null = null): Promise<number> => {
  const work = testWork(station, [`${station}.a`, `${station}.b`]);
  const job = await enqueueJob(
    farm,
    jobRequest({ station, task: { kind: 'work', work }, serials: mlb(serial), route, onFailed: 'continue' }),
  );
  return job.id;
};

const deviceOf = async (serial: string): Promise<number> => (await history(serial)).device.id;

beforeAll(async () => {
  database = await freshDatabase();
  const line = testLine({ shopfloorUrl: 'http://127.0.0.1:9/', stations });
  farm = createTestFarm({ database, lines: [line, testLine({ instance: 'line-2' })] });
  smt = await enqueue('SMT', 'MLB-1', 'main');
  fat = await enqueue('FAT', 'MLB-1', 'main');
  await enqueue('SMT', 'MLB-2');
  device = await deviceOf('MLB-1');
  bot = await connectBot(farm, { botId: 'host-1', deviceIds: [device] });
  // The first attempt is lost, the second fails a test.
  await giveJob(farm, bot, smt);
  await stepLease(farm, smt, { event: 'SHOWN_ACTIVE' });
  await stepLease(farm, smt, { event: 'LOST_AFTER_PASSED', why: 'its bot was lost' });
  await runJob(farm, bot, smt, 'FAILED', ['SMT.a', 'SMT.b']);
  const upload = {
    depot: 'd',
    instance,
    kind: 'REPORT',
    sha256: 'ab'.repeat(32),
    serial: 'MLB-1',
    peer: '10.0.0.1',
  } as const;
  await keepUpload(farm, { ...upload, id: randomUUID(), bytes: 12, stage: 'SMT', reportName: null, pathOf: null }, () =>
    Promise.resolve('report/20260301/SMT-MLB-1.rpt.xz'),
  );
  await answerDue(farm, () => ({ deviceData: { 'factory.line': 'L4', 'serials.serial_number': 'SN-1' } }));
  await annotateResults(farm, { instance, id: smt, note: 'the probe was worn' }, 'member:ada');
  await runJob(farm, bot, fat, 'PASSED', ['FAT.a', 'FAT.b']);
});
afterAll(() => database.drop());

describe('the history of a unit', () => {
  it('has everything of it in order, and nothing of another', async () => {
    const { entries, nextPageToken, olderLeftOut, device: shown } = await history('MLB-1');
    expect(nextPageToken).toBe('');
    expect(olderLeftOut).toBe(false);
    expect(shown).toMatchObject({ data: { 'factory.line': 'L4' }, serials: { 'serials.serial_number': 'SN-1' } });
    const words = entries.map(said);
    // Of one commit the clock moves on from row to row; who comes first there is not told here.
    expect(words.toSorted()).toEqual(
      [
        'SMT enqueued',
        'FAT enqueued',
        'SMT attempt 1 LOST',
        'NotifyStart SMT DELIVERED',
        'UpdateTestResult SMT OWED',
        'SMT attempt 2 COMPLETED',
        'NotifyStart SMT OWED',
        ...['SMT.a FAILED', 'SMT.b FAILED', 'UpdateTestResult SMT.a OWED', 'UpdateTestResult SMT.b OWED'],
        'UpdateTestResult SMT OWED',
        'report/20260301/SMT-MLB-1.rpt.xz',
        'DEVICE_CHANGED factory.line, serials.serial_number',
        'the probe was worn',
        'FAT attempt 1 COMPLETED',
        ...['NotifyStart FAT OWED', 'FAT.a PASSED', 'FAT.b PASSED'],
        ...['UpdateTestResult FAT.a OWED', 'UpdateTestResult FAT.b OWED', 'NotifyEnd FAT OWED'],
      ].toSorted(),
    );
    const milestones = [
      'SMT enqueued',
      'FAT enqueued',
      'SMT attempt 1 LOST',
      'SMT attempt 2 COMPLETED',
      'SMT.a FAILED',
      'report/20260301/SMT-MLB-1.rpt.xz',
      'DEVICE_CHANGED factory.line, serials.serial_number',
      'the probe was worn',
      'FAT attempt 1 COMPLETED',
      'FAT.a PASSED',
    ];
    expect(words.filter((word) => milestones.includes(word))).toEqual(milestones);
    const times = entries.map(({ at }) => at.getTime());
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const calls = entries.flatMap((entry) => (entry.kind === 'CALL' ? [entry.call.position] : []));
    expect(calls).toEqual(calls.toSorted((a, b) => a - b));
  });

  it('is the same by each of its serials', async () => {
    expect(await history('SN-1')).toEqual(await history('MLB-1'));
    expect(await history('SN-1', 'serials.serial_number')).toEqual(await history('MLB-1'));
    await expect(history('SN-1', 'serials.mlb_serial_number')).rejects.toMatchObject({ reason: 'NO_SUCH_DEVICE' });
  });

  it.each([1, 2, 5, 7])('is the same in pages of %i, each entry once', async (pageSize) => {
    const whole = await history('MLB-1');
    const entries: UnitEntry[] = [];
    let pageToken = '';
    do {
      // A page is found again by another serial of the unit.
      const page = await getUnit(farm, { ...asked(entries.length % 2 === 0 ? 'MLB-1' : 'SN-1'), pageSize, pageToken });
      expect(page.entries.length).toBeLessThanOrEqual(pageSize);
      entries.push(...page.entries);
      ({ nextPageToken: pageToken } = page);
    } while (pageToken !== '');
    expect(entries).toEqual(whole.entries);
  });

  it('keeps the order of what was stamped with one time: by kind, then by number', async () => {
    const serial = 'MLB-TIED';
    const id = await enqueue('SMT', serial);
    const tied = await deviceOf(serial);
    await runJob(farm, await connectBot(farm, { botId: 'tied', deviceIds: [tied] }), id, 'PASSED', ['SMT.a', 'SMT.b']);
    await annotateResults(farm, { instance, id, note: 'seen' }, 'member:ada');
    const at = `(select enqueued_at from jobs where id = $1)`;
    await database.pool.query(`update leases set granted_at = ${at} where job_id = $1`, [id]);
    await database.pool.query(`update test_results set at = ${at} where job_id = $1`, [id]);
    await database.pool.query(`update shopfloor_calls set owed_at = ${at} where job_id = $1`, [id]);
    const pages: string[] = [];
    let pageToken = '';
    do {
      const page = await getUnit(farm, { ...asked(serial), pageSize: 1, pageToken });
      pages.push(...page.entries.map(said));
      ({ nextPageToken: pageToken } = page);
    } while (pageToken !== '');
    expect(pages).toEqual([
      'SMT enqueued',
      'SMT attempt 1 COMPLETED',
      'SMT.a PASSED',
      'SMT.b PASSED',
      'NotifyStart SMT OWED',
      'UpdateTestResult SMT.a OWED',
      'UpdateTestResult SMT.b OWED',
      'NotifyEnd SMT OWED',
      'seen',
    ]);
  });

  it('tells of the newest jobs only, and says so', async () => {
    const few = { ...farm, limits: { ...farm.limits, units: { ...farm.limits.units, jobsMax: 1 } } };
    const { entries, olderLeftOut } = await getUnit(few, { ...asked('MLB-1'), ...FIRST_PAGE });
    expect(olderLeftOut).toBe(true);
    expect(entries.map(said)).toContain('FAT enqueued');
    expect(entries.map(said)).not.toContain('SMT enqueued');
  });

  it('is none of a serial that nobody has, and asks for a name where two have it', async () => {
    await expect(history('MLB-9')).rejects.toMatchObject({
      kind: 'NOT_FOUND',
      reason: 'NO_SUCH_DEVICE',
      message: expect.stringContaining("No DUT of instance 'line-1' has serial 'MLB-9'"),
    });
    await expect(getUnit(farm, { ...asked('MLB-1'), instance: 'line-2', ...FIRST_PAGE })).rejects.toMatchObject({
      kind: 'NOT_FOUND',
    });
    await enqueueJob(farm, jobRequest({ station: 'SMT', serials: { 'serials.serial_number': 'MLB-2' } }));
    await expect(history('MLB-2')).rejects.toMatchObject({
      reason: 'SERIAL_OF_TWO_DUTS',
      message: expect.stringContaining("Give the serial's name too"),
    });
    const { entries } = await history('MLB-2', 'serials.mlb_serial_number');
    expect(entries.map(said)).toEqual(['SMT enqueued']);
  });

  it('tells what belongs to no job: what was kept of its own questions, and that it was let go, before any job and after', async () => {
    const about = (serial: string) => ({ 'serials.mlb_serial_number': serial });
    const change = (serial: string, key: string) =>
      keepDeviceInfo(farm, { instance, said: about(serial), told: { [key]: 'x' } });
    const [unit] = (await resolveEach(database.pool, instance, [
      [{ name: 'serials.mlb_serial_number', value: 'MLB-ALONE' }],
      [{ name: 'serials.mlb_serial_number', value: 'MLB-BESIDE' }],
    ])) as [number, number];
    await change('MLB-ALONE', 'factory.first');
    await change('MLB-BESIDE', 'factory.other');
    await database.pool.query(`update farm_events set at = at - interval '3 days' where device_id = $1`, [unit]);
    const { entries: alone } = await history('MLB-ALONE');
    expect(alone.map(said)).toEqual(['DEVICE_CHANGED factory.first']);
    await enqueue('SMT', 'MLB-ALONE');
    await holdEachDevice(database.pool, [{ id: unit, reason: 'smells of smoke' }]);
    await releaseDevice(farm, { instance, id: unit, reason: 'it was lunch' });
    const { entries } = await history('MLB-ALONE');
    expect(entries.map(said)).toEqual(['DEVICE_CHANGED factory.first', 'SMT enqueued', 'DEVICE_RELEASED']);
    expect(entries.at(-1)).toMatchObject({
      ...{ jobId: null, station: '', event: { facts: { reason: 'it was lunch', ended: 'smells of smoke' } } },
    });
    const one = { ...farm, limits: { ...farm.limits, units: { ...farm.limits.units, eventsMax: 1 } } };
    const { entries: fewer } = await getUnit(one, { ...asked('MLB-ALONE'), ...FIRST_PAGE });
    expect(fewer.map(said)).toEqual(['SMT enqueued', 'DEVICE_RELEASED']);
  });

  it('finds what belongs to no job by the DUT, whatever else has happened', async () => {
    const { rows } = await database.pool.query<{ 'QUERY PLAN': string }>(
      `explain (generic_plan) select at, id from farm_events
       where device_id = $1 and job_id is null and at >= $2 and kind = any($3::text[])
       order by device_id, at desc, id desc limit $4`,
    );
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('device_id_at_id_idx');
    expect(plan).not.toMatch(/Seq Scan|Sort/);
  });

  it('refuses a page token of another unit', async () => {
    const { nextPageToken } = await getUnit(farm, { ...asked('MLB-1'), pageSize: 1, pageToken: '' });
    await expect(
      getUnit(farm, { ...asked('MLB-2', 'serials.mlb_serial_number'), pageSize: 1, pageToken: nextPageToken }),
    ).rejects.toMatchObject({ reason: 'BAD_CURSOR' });
  });
});

describe('a route check', () => {
  const check = (value: string, station: string) => checkStation(farm, { ...asked(value), station });

  it('says what explain-job says of the job, and whose turn it is in the route', async () => {
    const first = await enqueue('SMT', 'R-1', 'main');
    const second = await enqueue('FAT', 'R-1', 'main');
    const unit = await deviceOf('R-1');
    expect(await check('R-1', 'SMT')).toMatchObject({
      mayRun: false,
      code: 'DUT_ABSENT',
      jobId: first,
      deviceId: unit,
    });
    const host = await connectBot(farm, { botId: 'route-host', deviceIds: [unit] });
    expect(await check('R-1', 'SMT')).toMatchObject({ mayRun: true, code: 'RUNNABLE' });
    expect(await check('R-1', 'FAT')).toEqual({
      ...(await explainJob(farm, { instance, id: second })),
      ...{ mayRun: false, code: 'HELD', jobId: second, deviceId: unit },
    });
    await drainBots(farm, { instance, pattern: 'route-*', note: 'rack 4 is moved', expiresInMs: null });
    const drained = await check('R-1', 'SMT');
    expect(drained).toMatchObject({ mayRun: false, code: 'DRAINED' });
    expect(drained.candidates).toEqual([{ botId: 'route-host', whyNot: 'it is drained: rack 4 is moved' }]);
    await undrainBots(farm, { instance, pattern: 'route-*' });
    await giveJob(farm, host, first);
    expect(await check('R-1', 'SMT')).toMatchObject({ mayRun: false, code: 'RUNNING' });
    await stepLease(farm, first, { event: 'SHOWN_ACTIVE' });
    await stepLease(farm, first, { event: 'LOST_AFTER_PASSED', why: 'its bot was lost' });
    expect(await check('R-1', 'SMT')).toMatchObject({
      code: 'DUT_SETTLING',
      words: expect.stringContaining('its bot was lost'),
    });
  });

  it('answers for a job that nobody has enqueued, and names those that stand before it', async () => {
    const first = await enqueue('SMT', 'N-1');
    const unit = await deviceOf('N-1');
    await connectBot(farm, { botId: 'new-host', deviceIds: [unit] });
    expect(await check('N-1', 'FAT')).toMatchObject({
      ...{ mayRun: false, code: 'DUT_BUSY', jobId: null },
      words: `No job of station 'FAT' is enqueued for DUT ${String(unit)}. One that is enqueued now comes after job ${String(first)} (SMT) of the same DUT.`,
    });
    await cancelJob(farm, { instance, id: first, reason: 'no more' });
    const free = await check('N-1', 'GRT');
    expect(free).toMatchObject({ mayRun: true, code: 'RUNNABLE', jobId: null });
    expect(free.words).toContain('The shopfloor is asked for leave first.');
    await holdEachDevice(database.pool, [{ id: unit, reason: 'two serials' }]);
    expect(await check('N-1', 'FAT')).toMatchObject({ mayRun: false, code: 'HELD' });
    await releaseDevice(farm, { instance, id: unit, reason: 'looked at' });
    expect(await check('N-1', 'FAT')).toMatchObject({ mayRun: true });
  });

  it("repeats the partner's words at a refused gate, and tells of a question that was left behind", async () => {
    const asking = await enqueue('GRT', 'G-1');
    const unit = await deviceOf('G-1');
    await connectBot(farm, { botId: 'gate-host', deviceIds: [unit] });
    await answerAll();
    await openGates(farm, [unit]);
    await answerDue(farm, () => ({ fault: 'MES: unit G-1 not routed to GRT' }));
    expect(await check('G-1', 'GRT')).toMatchObject({
      ...{ mayRun: false, code: 'HELD', jobId: asking },
      words: expect.stringMatching(/not routed to GRT.*override it with a reason/),
    });
    const again = await enqueue('GRT', 'G-2');
    const other = await deviceOf('G-2');
    await connectBot(farm, { botId: 'gate-host-2', deviceIds: [other] });
    await openGates(farm, [other]);
    await cancelJob(farm, { instance, id: again, reason: 'no more' });
    expect(await check('G-2', 'FAT')).toMatchObject({ mayRun: false, code: 'DUT_ASKED' });
    await answerDue(farm, () => ({ fault: 'no' }));
    expect(await check('G-2', 'FAT')).toMatchObject({ mayRun: true });
  });

  it('refuses a station that the line does not have, and a unit that nobody knows', async () => {
    await expect(check('MLB-1', 'FQC')).rejects.toMatchObject({ kind: 'INVALID', reason: 'STATION_UNKNOWN' });
    await expect(check('MLB-9', 'FAT')).rejects.toMatchObject({ kind: 'NOT_FOUND', reason: 'NO_SUCH_DEVICE' });
  });

  /** What former tests have left in the lanes. */
  const answerAll = async (): Promise<void> => {
    while ((await answerDue(farm, () => YES)).length > 0);
  };
});
