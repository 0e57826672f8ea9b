import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { callOfResult, callsOfStart } from '../../src/core/shopfloor-call.ts';
import { listCalls } from '../../src/farm/list-calls.ts';
import { listLanes, readLaneSurvey } from '../../src/farm/list-lanes.ts';
import { releaseDevice } from '../../src/farm/release-device.ts';
import { readDeviceRecords } from '../../src/store/devices.ts';
import { answerDue, YES } from '../support/answering.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { lineAt, openPlainFarm, type PlainFarm } from '../support/plain-farm.ts';
import { countWaiting, insertJob, insertUnit, INSTANCE, oweTo } from '../support/rows.ts';

let database: FreshDatabase;
let farm: PlainFarm;
let unit: number;

const start = callsOfStart('SMT', false);
const failed = [callOfResult('SMT', { testId: 'SMT.T', status: 'FAILED', details: null })];

beforeEach(async () => {
  database = await freshDatabase();
  farm = openPlainFarm(database, {
    line: lineAt('http://127.0.0.1:9/', { actions: { 're-run': 'rerun', stop: 'hold' } }),
  });
  unit = await insertUnit(farm.pool, 'C123');
});
afterEach(async () => {
  await farm.close();
  await database.drop();
});

const recordOf = async (id: number) => (await readDeviceRecords(farm.pool, [id])).get(id);
const heldReasonOf = async (id: number) => {
  const { rows } = await farm.pool.query('select held_reason as reason from devices where id = $1', [id]);
  return rows[0].reason;
};

describe('what a shopfloor answers', () => {
  it('is merged into the record, and the next call is rendered from that', async () => {
    await oweTo(farm.pool, unit, [...start, ...failed]);
    await answerDue(farm, () => ({ deviceData: { 'factory.line': 'L4', 'serials.serial_number': 'A1234' } }));
    expect(await recordOf(unit)).toMatchObject({
      data: { 'factory.line': 'L4' },
      serials: { 'serials.mlb_serial_number': 'C123', 'serials.serial_number': 'A1234' },
    });
    const [next] = await answerDue(farm, () => YES);
    expect(JSON.parse(next!.call.body.replace('UpdateTestResult SMT ', ''))).toEqual({
      'factory.line': 'L4',
      'serials.mlb_serial_number': 'C123',
      'serials.serial_number': 'A1234',
    });
  });

  it('does not change a body that was sent before', async () => {
    await oweTo(farm.pool, unit, start);
    const [first] = await answerDue(farm, () => ({ outage: 'ambiguous' }));
    await farm.pool.query(`update devices set data = '{"factory.line": "L9"}'`);
    const [again] = await answerDue(farm, () => YES);
    expect(again!.call).toMatchObject({ id: first!.call.id, body: first!.call.body, number: 2 });
  });

  it('cannot keep the call from being delivered, whatever it holds', async () => {
    const [id] = await oweTo(farm.pool, unit, start);
    await answerDue(farm, () => ({ deviceData: { 'factory.note': 'U+0000: \u0000' } }));
    const { rows } = await farm.pool.query('select state, sends from shopfloor_calls where id = $1', [id]);
    expect(rows).toEqual([{ state: 'DELIVERED', sends: 1 }]);
  });

  it('holds both units when it gives one the serial of another, until an operator releases them', async () => {
    const other = await insertUnit(farm.pool, 'C999');
    await oweTo(farm.pool, unit, start);
    await answerDue(farm, () => ({ deviceData: { 'serials.mlb_serial_number': 'C999', 'factory.line': 'L4' } }));
    const reason = `the shopfloor gave serials.mlb_serial_number=C999 to device ${String(unit)}, but it belongs to device ${String(other)}`;
    expect(await heldReasonOf(unit)).toContain(reason);
    expect(await heldReasonOf(other)).toContain(reason);
    expect(await recordOf(unit)).toMatchObject({
      data: { 'factory.line': 'L4' },
      serials: { 'serials.mlb_serial_number': 'C123' },
    });
    const held = farm.events.filter(({ kind }) => kind === 'DEVICE_HELD');
    expect(held.map(({ deviceId }) => deviceId).sort()).toEqual([unit, other].sort());

    await releaseDevice(farm, { instance: INSTANCE, id: other, reason: 'the label was wrong' });
    expect(await heldReasonOf(other)).toBeNull();
    expect(await heldReasonOf(unit)).not.toBeNull();
    expect(farm.wakes).toContainEqual({ kind: 'device', id: other });
    const again = releaseDevice(farm, { instance: INSTANCE, id: other, reason: 'again' });
    await expect(again).rejects.toMatchObject({ reason: 'DEVICE_NOT_HELD' });
    await expect(releaseDevice(farm, { instance: INSTANCE, id: 0, reason: 'x' })).rejects.toMatchObject({
      kind: 'NOT_FOUND',
    });
  });

  it('a release lets a job go that was enqueued behind the hold in the same moment', async () => {
    await farm.pool.query(`update devices set held_reason = 'two units, one serial'`);
    const enqueue = await database.pool.connect();
    await enqueue.query('begin');
    await enqueue.query('select from devices for share');
    const release = releaseDevice(farm, { instance: INSTANCE, id: unit, reason: 'the label was wrong' });
    await vi.waitFor(async () => expect(await countWaiting(database.pool)).toBe(1), { timeout: 30_000 });
    await insertJob(enqueue, { deviceId: unit, station: 'SMT', heldBy: 'DEVICE' });
    await enqueue.query('commit');
    enqueue.release();
    await release;
    const { rows } = await farm.pool.query('select held_by as by from jobs');
    expect(rows).toEqual([{ by: null }]);
  });

  it('two units that are given one new serial at once: one has it, and both are held', async () => {
    const other = await insertUnit(farm.pool, 'C999');
    await Promise.all([oweTo(farm.pool, unit, start), oweTo(farm.pool, other, start)]);
    await answerDue(farm, () => ({ deviceData: { 'serials.serial_number': 'A1234' } }));
    const { rows } = await farm.pool.query(`select device_id from device_serials where value = 'A1234'`);
    expect(rows).toHaveLength(1);
    expect(await heldReasonOf(unit)).not.toBeNull();
    expect(await heldReasonOf(other)).not.toBeNull();
  });

  it('holds the unit where the line says that of its action', async () => {
    await oweTo(farm.pool, unit, failed);
    await answerDue(farm, () => ({ deviceData: {}, action: 'stop' }));
    expect(await heldReasonOf(unit)).toBe('the shopfloor asked for "stop" on SMT.T');
    expect(farm.events).toContainEqual(
      expect.objectContaining({ kind: 'CALL_ACTION', facts: { action: 'stop', testId: 'SMT.T', done: 'hold' } }),
    );
  });

  it('does nothing for an action that the line does not name, but records it', async () => {
    const [id] = await oweTo(farm.pool, unit, failed);
    await answerDue(farm, () => ({ deviceData: {}, action: 'dance' }));
    expect(farm.events).toContainEqual(
      expect.objectContaining({ kind: 'CALL_ACTION', facts: { action: 'dance', testId: 'SMT.T', done: 'nothing' } }),
    );
    const { rows } = await farm.pool.query('select action from shopfloor_calls where id = $1', [id]);
    expect(rows).toEqual([{ action: 'dance' }]);
  });

  it('runs a station again once for each job, three times in all', async () => {
    let job = await insertJob(farm.pool, { deviceId: unit, station: 'SMT' });
    for (let run = 1; run <= 4; run += 1) {
      await oweTo(farm.pool, unit, [...failed, ...failed], { jobId: job });
      await answerDue(farm, () => ({ deviceData: {}, action: 're-run' }));
      await answerDue(farm, () => ({ deviceData: {}, action: 're-run' }));
      const { rows } = await farm.pool.query(
        'select id, station, device_id, route, request_id from jobs where id > $1',
        [job],
      );
      expect(rows).toHaveLength(run > 3 ? 0 : 1);
      job = rows[0]?.id ?? job;
    }
    const { rows } = await farm.pool.query('select count(*) as n from jobs');
    expect(rows).toEqual([{ n: 4 }]);
    expect((await database.doctor()).filter(({ invariant }) => invariant === '18')).toEqual([]);
  });
});

describe('the lists', () => {
  it('go through all calls of an instance, newest first, page by page', async () => {
    const units = [unit, await insertUnit(farm.pool, 'C2'), await insertUnit(farm.pool, 'C3')];
    const ids = (await Promise.all(units.map((id) => oweTo(farm.pool, id, [...start, ...failed, ...failed])))).flat();
    const query = { instance: INSTANCE, states: ['OWED'] as const, serial: null, jobId: null, pageSize: 4 };
    const seen: string[] = [];
    for (let pageToken: string | null = ''; pageToken !== null;) {
      const page = await listCalls(farm, { ...query, pageToken });
      seen.push(...page.calls.map(({ id }) => id));
      pageToken = page.nextPageToken === '' ? null : page.nextPageToken;
    }
    expect([...seen].sort()).toEqual([...ids].sort());
    const { calls } = await listCalls(farm, { ...query, states: [], serial: 'C2', pageSize: 0, pageToken: '' });
    expect(calls.map(({ position }) => position)).toEqual([3, 2, 1]);
    await expect(listCalls(farm, { ...query, pageToken: 'forged' })).rejects.toMatchObject({ kind: 'INVALID' });
  });

  it('show the blocked lanes first, and how all lanes stand', async () => {
    const blocked = unit;
    const idle = await insertUnit(farm.pool, 'C2');
    const owing = await insertUnit(farm.pool, 'C3');
    await oweTo(farm.pool, blocked, failed);
    for (let n = 0; n < farm.limits.lanes.faultsMax; n += 1) await answerDue(farm, () => ({ fault: 'no' }));
    await oweTo(farm.pool, owing, [...start, ...failed]);
    const query = { instance: INSTANCE, blockedOnly: false, pageSize: 2 };
    const first = await listLanes(farm, { ...query, pageToken: '' });
    const second = await listLanes(farm, { ...query, pageToken: first.nextPageToken });
    const lanes = [...first.lanes, ...second.lanes];
    expect(lanes.map(({ deviceId, owed, blocked: is }) => [deviceId, owed, is])).toEqual([
      [blocked, 1, true],
      [owing, 2, false],
      [idle, 0, false],
    ]);
    expect(second.nextPageToken).toBe('');
    expect(await readLaneSurvey(farm)).toMatchObject([{ instance: INSTANCE, owing: 1, blocked: 1 }]);
  });
});
