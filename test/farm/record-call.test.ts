import { afterEach, beforeEach, expect, it } from 'vitest';
import type pg from 'pg';
import { callOfResult, callsOfStart } from '../../src/core/shopfloor-call.ts';
import { claimCalls } from '../../src/farm/claim-calls.ts';
import type { CallToSend } from '../../src/farm/journal-heads.ts';
import { createCallRecorder } from '../../src/farm/record-call.ts';
import { readDeviceRecords } from '../../src/store/devices.ts';
import { createPool, POOL_LIMITS } from '../../src/store/pool.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { lineAt, openPlainFarm, type PlainFarm } from '../support/plain-farm.ts';
import { insertUnit, oweTo } from '../support/rows.ts';
import { wallClock } from '../support/wall-clock.ts';

const NOW = new Date('2026-03-01T08:00:00Z');
const never = new AbortController().signal;
const render = ({ method }: { readonly method: string }): string => method;

let database: FreshDatabase;
let farm: PlainFarm;
let unit: number;
let ids: readonly string[];

beforeEach(async () => {
  database = await freshDatabase();
  await database.setNow(NOW);
  farm = openPlainFarm(database, { line: lineAt('http://127.0.0.1:9/') });
  unit = await insertUnit(farm.pool, 'C123');
  const result = callOfResult('SMT', { testId: 'SMT.T', status: 'PASSED', details: null });
  ids = await oweTo(farm.pool, unit, [...callsOfStart('SMT', false), result, { ...result, testId: 'SMT.U' }]);
});
afterEach(async () => {
  expect(await database.doctor()).toEqual([]);
  await farm.close();
  await database.drop();
});

const claim = async (): Promise<CallToSend> => {
  const [call] = await claimCalls(farm, render, () => 1);
  return call!;
};
const answered = (call: CallToSend, deviceData: Readonly<Record<string, unknown>> = {}) => ({
  ...({ call, outcome: 'answered', code: null, words: null, upForMs: Infinity, goesOn: true } as const),
  reply: { deviceData, dropped: [], action: null, answer: deviceData },
});

/** The same pool, but the network breaks once: after a commit, before its answer. */
const losingOneCommit = (pool: pg.Pool): pg.Pool => {
  let isLost = false;
  const connect = async (): Promise<pg.PoolClient> => {
    const client = await pool.connect();
    return new Proxy(client, {
      get: (target, name) => {
        if (name !== 'query') return Reflect.get(target, name, target) as unknown;
        return async (text: string, values?: unknown[]) => {
          const done = await target.query(text, values);
          if (text !== 'commit' || isLost) return done;
          isLost = true;
          throw new Error('Connection terminated unexpectedly');
        };
      },
    });
  };
  return new Proxy(pool, {
    get: (target, name) => (name === 'connect' ? connect : (Reflect.get(target, name, target) as unknown)),
  });
};

it('moves a lane on once, though the answer to the commit was lost and the send is recorded again', async () => {
  const record = createCallRecorder({ ...farm, pool: losingOneCommit(farm.pool) }, render);
  const recorded = await record(answered(await claim()), never);
  // What the commit journalled for this lane is not known here, so it is not sent; its next owner goes on with it.
  expect(recorded).toEqual({ kind: 'fenced' });
  await database.setNow(new Date(NOW.getTime() + farm.limits.lanes.leaseMs));
  expect(await claim()).toMatchObject({ id: ids[1], number: 2 });
});

it('fences what an earlier ownership of its own lane sent, though both are recorded in one commit', async () => {
  const record = createCallRecorder(farm, render);
  const before = await claim();
  await database.setNow(new Date(NOW.getTime() + farm.limits.lanes.leaseMs));
  const now = await claim();
  expect([before, now]).toMatchObject([
    { id: ids[0], number: 1, epoch: 1 },
    { id: ids[0], number: 2, epoch: 2 },
  ]);
  const refused = { ...answered(now), outcome: 'refused', words: 'no connection', reply: null } as const;
  // In one turn of the loop, as when both waited for a database that came back.
  const recorded = await Promise.all([record(answered(before), never), record(refused, never)]);
  expect(recorded).toEqual([{ kind: 'fenced' }, { kind: 'let go', waitMs: expect.any(Number) }]);
  const { rows } = await farm.pool.query('select state, ambiguous from shopfloor_calls where id = $1', [ids[0]]);
  expect(rows).toEqual([{ state: 'OWED', ambiguous: true }]);
});

it('tells for how long a delivered call was owed while its shopfloor was up', async () => {
  const told: number[] = [];
  const delivered = ({ owedMs }: { readonly owedMs: number }): void => void told.push(owedMs);
  const record = createCallRecorder({ ...farm, witness: { ...farm.witness, delivered } }, render);
  await database.setNow(new Date(NOW.getTime() + 70_000));
  const first = await record(answered(await claim()), never);
  if (first.kind !== 'next') throw new Error(`the lane was ${first.kind}`);
  // The partner came back 2 s ago: what it could not be told before is not held against the farm.
  await record({ ...answered(first.call), upForMs: 2_000, goesOn: false }, never);
  expect(told).toEqual([70_000, 2_000]);
});

it('keeps what the shopfloor said while the database is busy', async () => {
  const blocker = await database.pool.connect();
  await blocker.query('begin');
  await blocker.query('select from devices for update');
  const pool = createPool(database.url, { ...POOL_LIMITS, lockMs: 5 });
  let sleeps = 0;
  const sleep = async (): Promise<void> => {
    sleeps += 1;
    if (sleeps === 12) await blocker.query('rollback');
  };
  const record = createCallRecorder({ ...farm, pool, clock: { ...wallClock, sleep } }, render);
  await record(answered(await claim(), { 'serials.serial_number': 'A1234' }), never);
  blocker.release();
  await pool.end();
  const known = (await readDeviceRecords(farm.pool, [unit])).get(unit);
  expect(known?.serials).toMatchObject({ 'serials.serial_number': 'A1234' });
});
