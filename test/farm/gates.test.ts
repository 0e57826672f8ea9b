import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callOfEvent } from '../../src/core/shopfloor-call.ts';
import { lapseGates } from '../../src/farm/lapse-gates.ts';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { openGates, openGatesAfter } from '../../src/farm/open-gates.ts';
import { overrideGate } from '../../src/farm/override-gate.ts';
import { retryGate } from '../../src/farm/retry-gate.ts';
import { skipCall } from '../../src/farm/skip-call.ts';
import { readReadiness } from '../../src/store/devices.ts';
import { lockCandidates } from '../../src/store/jobs.ts';
import { answerDue, YES } from '../support/answering.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { lineAt, openPlainFarm, type PlainFarm } from '../support/plain-farm.ts';
import { insertJob, insertUnit, INSTANCE, oweTo } from '../support/rows.ts';

const NOW = new Date('2026-03-01T08:00:00Z');
const NO = { fault: 'MES: unit C123 not routed to FAT' };

let database: FreshDatabase;
let farm: PlainFarm;
let unit: number;
let job: number;

beforeEach(async () => {
  database = await freshDatabase();
  await database.setNow(NOW);
  farm = openPlainFarm(database, { line: lineAt('http://127.0.0.1:9/', { gated: ['FAT'] }) });
  unit = await insertUnit(farm.pool, 'C123');
  job = await insertJob(farm.pool, { deviceId: unit, station: 'FAT', heldBy: 'GATE_TURN' });
});
afterEach(async () => {
  expect(await database.doctor()).toEqual([]);
  await farm.close();
  await database.drop();
});

const holdOf = async (id: number) => {
  const { rows } = await farm.pool.query(
    'select held_by as by, held_reason as reason, gate_cleared_until as until from jobs where id = $1',
    [id],
  );
  return rows[0];
};
const callsOf = async (id: number) => {
  const { rows } = await farm.pool.query(
    `select method, station, test_id as test, gate, attempt, state, details from shopfloor_calls where job_id = $1 order by position`,
    [id],
  );
  return rows;
};
const request = (id: number, reason = 'by the line lead') => ({ instance: INSTANCE, jobId: id, reason });
const kinds = () => farm.events.map(({ kind }) => kind);
const later = (ms: number): Promise<void> => database.setNow(new Date(NOW.getTime() + ms));

describe('a gated job', () => {
  it('asks when its DUT is free, and is cleared by an answer without a fault', async () => {
    await openGates(farm, [unit]);
    expect(await holdOf(job)).toMatchObject({ by: 'GATE' });
    expect(farm.wakes).toContainEqual({ kind: 'lanes' });
    await answerDue(farm, () => YES);
    const until = new Date(NOW.getTime() + farm.limits.jobs.gateClearedMs);
    expect(await holdOf(job)).toEqual({ by: null, reason: null, until });
    expect(await callsOf(job)).toMatchObject([
      { method: 'NotifyStart', station: 'FAT', gate: true, attempt: 1, state: 'DELIVERED' },
    ]);
    expect(kinds()).toEqual(['JOB_HELD', 'CALL_DELIVERED', 'GATE_CLEARED']);
    expect(farm.wakes).toContainEqual({ kind: 'device', id: unit });
  });

  it('asks once, whoever looks, and however often', async () => {
    const other = openPlainFarm(database, { line: lineAt('http://127.0.0.1:9/', { gated: ['FAT'] }) });
    await Promise.all([openGates(farm, [unit]), openGates(other, [unit]), openGatesAfter(other, 0)]);
    await openGates(farm, [unit]);
    await other.close();
    expect(await callsOf(job)).toHaveLength(1);
  });

  it('is held by a fault, with the words of the partner, and the lane goes on', async () => {
    await openGates(farm, [unit]);
    await answerDue(farm, () => NO);
    expect(await holdOf(job)).toMatchObject({
      by: 'GATE_REFUSED',
      reason: 'the shopfloor refused the start: fault -1001: MES: unit C123 not routed to FAT',
    });
    expect(await callsOf(job)).toMatchObject([{ state: 'GATE_REFUSED' }]);
    const { rows } = await farm.pool.query('select blocked, head_position = next_position as empty from lanes');
    expect(rows).toEqual([{ blocked: false, empty: true }]);
  });

  it('waits through an outage and never becomes a dead letter', async () => {
    await openGates(farm, [unit]);
    for (let n = 0; n < 10; n += 1) await answerDue(farm, () => ({ outage: n % 2 === 0 ? 'refused' : 'ambiguous' }));
    expect(await holdOf(job)).toMatchObject({ by: 'GATE' });
    await answerDue(farm, () => YES);
    expect(await holdOf(job)).toMatchObject({ by: null });
  });

  it('asks again when an operator retries the gate', async () => {
    await openGates(farm, [unit]);
    await answerDue(farm, () => NO);
    await retryGate(farm, request(job));
    expect(await holdOf(job)).toMatchObject({ by: 'GATE' });
    await answerDue(farm, () => YES);
    expect(await holdOf(job)).toMatchObject({ by: null });
    expect((await callsOf(job)).map(({ state }) => state)).toEqual(['GATE_REFUSED', 'DELIVERED']);
    await expect(retryGate(farm, request(job))).rejects.toMatchObject({
      kind: 'WRONG_STATE',
      reason: 'GATE_NOT_REFUSED',
    });
  });

  it('starts against a refusal on the word of an operator, who says why', async () => {
    await openGates(farm, [unit]);
    await answerDue(farm, () => NO);
    await expect(overrideGate(farm, request(job, '  '))).rejects.toMatchObject({
      kind: 'INVALID',
      reason: 'REASON_MISSING',
    });
    await overrideGate(farm, request(job));
    expect(await holdOf(job)).toMatchObject({ by: null, until: expect.any(Date) });
    expect(farm.events.at(-1)).toMatchObject({
      kind: 'GATE_OVERRIDDEN',
      jobId: job,
      facts: { words: 'by the line lead' },
    });
    // Nothing is sent a second time: the shopfloor has heard of the start.
    expect(await callsOf(job)).toHaveLength(1);
  });

  it('is not touched by the late answer to a question that was overridden', async () => {
    await openGates(farm, [unit]);
    await overrideGate(farm, request(job));
    await answerDue(farm, () => NO);
    expect(await holdOf(job)).toMatchObject({ by: null, until: expect.any(Date) });
  });

  it('cannot be overridden before it has asked, nor when it is unknown here', async () => {
    await expect(overrideGate(farm, request(job))).rejects.toMatchObject({ reason: 'GATE_NOT_ASKED' });
    await expect(overrideGate(farm, request(job + 1))).rejects.toMatchObject({ kind: 'NOT_FOUND' });
    await expect(overrideGate(farm, { ...request(job), instance: 'line-2' })).rejects.toMatchObject({
      kind: 'NOT_FOUND',
    });
  });

  it('asks again when nobody started it in time, after the shopfloor was told that the attempt is over', async () => {
    await openGates(farm, [unit]);
    await answerDue(farm, () => YES);
    await later(farm.limits.jobs.gateClearedMs - 1);
    expect(await lapseGates(farm)).toBe(0);
    await later(farm.limits.jobs.gateClearedMs);
    expect(await lapseGates(farm)).toBe(1);
    expect(await holdOf(job)).toMatchObject({ by: 'GATE_TURN', until: null });
    await openGates(farm, [unit]);
    const calls = await callsOf(job);
    expect(calls.map(({ method, test }) => [method, test])).toEqual([
      ['NotifyStart', null],
      ['UpdateTestResult', 'FAT'],
      ['NotifyStart', null],
    ]);
    expect(calls[1]).toMatchObject({
      attempt: 1,
      details: { error_message: expect.stringContaining('no bot started') },
    });
    expect(kinds()).toContain('GATE_LAPSED');
  });

  it('that was cancelled while it asked is closed at the shopfloor if that said yes', async () => {
    await openGates(farm, [unit]);
    await cancelJob(farm, { instance: INSTANCE, id: job, reason: 'wrong unit' });
    await answerDue(farm, () => YES);
    expect((await callsOf(job)).map(({ method, test }) => [method, test])).toEqual([
      ['NotifyStart', null],
      ['UpdateTestResult', 'FAT'],
    ]);
  });

  it('that was cancelled while it asked leaves nothing to close if the shopfloor said no', async () => {
    await openGates(farm, [unit]);
    await cancelJob(farm, { instance: INSTANCE, id: job, reason: 'wrong unit' });
    await answerDue(farm, () => NO);
    expect(await callsOf(job)).toHaveLength(1);
  });

  it('whose question an operator skips is held as refused', async () => {
    await openGates(farm, [unit]);
    const [answered] = await answerDue(farm, () => ({ outage: 'ambiguous' }));
    await skipCall(farm, { instance: INSTANCE, id: answered!.call.id, reason: 'the MES is being replaced' });
    expect(await holdOf(job)).toMatchObject({
      by: 'GATE_REFUSED',
      reason: expect.stringContaining('the MES is being replaced'),
    });
  });

  it('stays asked when an operator skips an older question of it', async () => {
    await openGates(farm, [unit]);
    const [older] = await answerDue(farm, () => ({ outage: 'ambiguous' }));
    await overrideGate(farm, request(job));
    await later(farm.limits.jobs.gateClearedMs);
    await lapseGates(farm);
    await openGates(farm, [unit]);
    await skipCall(farm, { instance: INSTANCE, id: older!.call.id, reason: 'told by phone' });
    expect(await holdOf(job)).toMatchObject({ by: 'GATE' });
    await answerDue(farm, () => YES);
    await answerDue(farm, () => YES);
    expect(await holdOf(job)).toMatchObject({ by: null, until: expect.any(Date) });
  });

  it('is answered though an event of its former bot came late into the lane', async () => {
    await openGates(farm, [unit]);
    await oweTo(farm.pool, unit, [callOfEvent('FAT', 'Finalize')], { jobId: job });
    await answerDue(farm, () => YES);
    expect(await holdOf(job)).toMatchObject({ by: null, until: expect.any(Date) });
  });
});

describe('whose turn it is', () => {
  const second = (extra: object = {}) =>
    insertJob(farm.pool, { deviceId: unit, station: 'FAT', heldBy: 'GATE_TURN', ...extra });

  it('goes by priority, then by age, one job of a DUT at a time', async () => {
    const [urgent, young] = [await second({ priority: -1 }), await second()];
    await openGates(farm, [unit]);
    expect(await Promise.all([job, urgent, young].map(holdOf))).toMatchObject([
      { by: 'GATE_TURN' },
      { by: 'GATE' },
      { by: 'GATE_TURN' },
    ]);
    // Cleared, it still comes first.
    await answerDue(farm, () => YES);
    await openGates(farm, [unit]);
    expect(await holdOf(job)).toMatchObject({ by: 'GATE_TURN' });
  });

  it('waits for a runnable job that comes before', async () => {
    await insertJob(farm.pool, { deviceId: unit, station: 'SMT', priority: -1 });
    await openGates(farm, [unit]);
    expect(await holdOf(job)).toMatchObject({ by: 'GATE_TURN' });
  });

  it('does not wait for one that was refused', async () => {
    await openGates(farm, [unit]);
    await answerDue(farm, () => NO);
    const next = await second();
    await openGates(farm, [unit]);
    expect(await holdOf(next)).toMatchObject({ by: 'GATE' });
  });

  it.each([
    ['held', `update devices set held_reason = 'two units, one serial'`],
    ['settling', `update devices set settling_until = farm_now() + interval '1 minute', settling_reason = 'lost'`],
  ])('does not come while the DUT is %s', async (_how, sql) => {
    await farm.pool.query(sql);
    await openGates(farm, [unit]);
    expect(await holdOf(job)).toMatchObject({ by: 'GATE_TURN' });
    await later(60_000);
    await farm.pool.query('update devices set held_reason = null');
    expect(await openGatesAfter(farm, 0)).toBeNull();
    expect(await holdOf(job)).toMatchObject({ by: 'GATE' });
  });

  it('does not come before the start of a cancelled job was answered, and closed', async () => {
    await openGates(farm, [unit]);
    const next = await second();
    await cancelJob(farm, { instance: INSTANCE, id: job, reason: 'wrong settings' });
    await openGates(farm, [unit]);
    expect(await holdOf(next)).toMatchObject({ by: 'GATE_TURN' });
    await answerDue(farm, () => YES);
    expect(farm.wakes.at(-2)).toEqual({ kind: 'device', id: unit });
    await openGates(farm, [unit]);
    const { rows } = await farm.pool.query('select job_id as id, method from shopfloor_calls order by position');
    expect(rows).toEqual([
      { id: job, method: 'NotifyStart' },
      { id: job, method: 'UpdateTestResult' },
      { id: next, method: 'NotifyStart' },
    ]);
  });

  it('keeps the DUT from other work until the start of a cancelled job was answered, and closed', async () => {
    const isAsked = async () => (await readReadiness(farm.pool, [unit])).get(unit)?.asked;
    await openGates(farm, [unit]);
    expect(await isAsked()).toBe(false);
    await cancelJob(farm, { instance: INSTANCE, id: job, reason: 'wrong settings' });
    expect(await isAsked()).toBe(true);
    await answerDue(farm, () => YES);
    expect(await isAsked()).toBe(false);
    expect(await callsOf(job)).toHaveLength(2);
  });

  it('comes once the question of a cancelled job is skipped', async () => {
    await openGates(farm, [unit]);
    const next = await second();
    const [asked] = await answerDue(farm, () => ({ outage: 'refused' }));
    await cancelJob(farm, { instance: INSTANCE, id: job, reason: 'wrong settings' });
    await skipCall(farm, { instance: INSTANCE, id: asked!.call.id, reason: 'nobody wants to know any more' });
    expect(farm.wakes).toContainEqual({ kind: 'device', id: unit });
    await openGates(farm, [unit]);
    expect(await holdOf(next)).toMatchObject({ by: 'GATE' });
  });

  it('once had, is kept: a cleared job is granted before any other of its DUT', async () => {
    await openGates(farm, [unit]);
    await answerDue(farm, () => YES);
    const urgent = await insertJob(farm.pool, { deviceId: unit, station: 'SMT', priority: -1 });
    const offers = await lockCandidates(farm.pool, { classes: [], deviceIds: [unit], bots: [] });
    expect(offers.map(({ id }) => id)).toEqual([job, urgent]);
  });

  it('has no meaning at a station that is no longer gated: the job may run', async () => {
    const ungated = openPlainFarm(database, { line: lineAt('http://127.0.0.1:9/') });
    await openGates(ungated, [unit]);
    await ungated.close();
    expect(await holdOf(job)).toEqual({ by: null, reason: null, until: null });
    expect(await callsOf(job)).toEqual([]);
  });
});
