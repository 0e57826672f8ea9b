import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Pump } from '../../src/bridge/pump.ts';
import { renderCall } from '../../src/bridge/render-call.ts';
import { createShopfloorClient } from '../../src/bridge/shopfloor-client.ts';
import type { Limits } from '../../src/core/limits.ts';
import { callOfResult, callsOfEnd, callsOfStart } from '../../src/core/shopfloor-call.ts';
import { claimCalls } from '../../src/farm/claim-calls.ts';
import { listCalls } from '../../src/farm/list-calls.ts';
import { listLanes } from '../../src/farm/list-lanes.ts';
import { retryCall } from '../../src/farm/retry-call.ts';
import { skipCall } from '../../src/farm/skip-call.ts';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import {
  type ReferenceShopfloor,
  type ReferenceShopfloorOptions,
  startReferenceShopfloor,
} from '../../src/reference-shopfloor/reference-shopfloor.ts';
import { insertRestore } from '../../src/store/restores.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { lineAt, limitsWith, openPlainFarm, type PlainFarm } from '../support/plain-farm.ts';
import { insertUnit, INSTANCE, oweTo } from '../support/rows.ts';
import { wallClock } from '../support/wall-clock.ts';

const STATION = 'SMT';
const HOUR_MS = 3_600_000;
/** One attempt of a station with so many tests, all passed. */
const attempt = (tests: number) => [
  ...callsOfStart(STATION, false),
  ...Array.from({ length: tests }, (_, n) =>
    callOfResult(STATION, { testId: `SMT.T${String(n)}`, status: 'PASSED', details: null }),
  ),
  ...callsOfEnd(lineAt('').stations.get(STATION)!, STATION, 'PASSED', ''),
];

let database: FreshDatabase;
let shopfloor: ReferenceShopfloor;
const farms: PlainFarm[] = [];
const pumps: Pump[] = [];

beforeEach(async () => {
  database = await freshDatabase();
  shopfloor = await openShopfloor();
});
afterEach(async () => {
  await Promise.all(pumps.splice(0).map((pump) => pump.stop()));
  await Promise.all(farms.splice(0).map((farm) => farm.close()));
  await shopfloor.stop();
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

const openShopfloor = (options: Partial<ReferenceShopfloorOptions> = {}): Promise<ReferenceShopfloor> =>
  startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null, ...options });

const openFarm = (limits?: Limits): PlainFarm => {
  const farm = openPlainFarm(database, { line: lineAt(shopfloor.url), ...(limits === undefined ? {} : { limits }) });
  farms.push(farm);
  return farm;
};

type Client = ReturnType<typeof createShopfloorClient>;
const startPump = (
  farm: PlainFarm,
  wrap: (client: Client) => Pick<Client, 'call' | 'close'> = (client) => client,
): Pump => {
  const pump = new Pump({ farm, createClient: (url) => wrap(createShopfloorClient({ url, clock: wallClock })) });
  pumps.push(pump);
  pump.start();
  return pump;
};

/** A limit for what hangs; not a wait. */
const eventually = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 30_000, interval: 5 });

const statesOf = async (ids: readonly string[]) => {
  const { rows } = await database.pool.query(
    'select id, state, sends, faults, ambiguous from shopfloor_calls where id = any($1::uuid[])',
    [ids],
  );
  return ids.map((id) => rows.find((row) => row.id === id));
};
const allIn = (ids: readonly string[], state: string) =>
  eventually(async () => expect(new Set((await statesOf(ids)).map((row) => row.state))).toEqual(new Set([state])));

describe('the pump', () => {
  it('tells the shopfloor of many units in order, each call once, with two replicas on one database', async () => {
    const one = openFarm();
    const two = openFarm();
    const units = await Promise.all(Array.from({ length: 12 }, (_, n) => insertUnit(one.pool, `BOTH-${String(n)}`)));
    startPump(one);
    startPump(two);
    const ids = await Promise.all(units.map((unit) => oweTo(one.pool, unit, attempt(6))));
    one.wake([{ kind: 'lanes' }]);
    two.wake([{ kind: 'lanes' }]);
    await allIn(ids.flat(), 'DELIVERED');
    const check = checkJournal(await shopfloor.journal.lines());
    expect(check).toMatchObject({
      applied: 12 * 8,
      faults: 0,
      devices: 12,
      orderViolations: [],
      duplicates: [],
      openAttempts: [],
    });
    expect((await statesOf(ids.flat())).every(({ sends, ambiguous }) => sends === 1 && !ambiguous)).toBe(true);
    expect(one.calls.length + two.calls.length).toBe(12 * 8);
  });

  it('has as many calls under way as it may and no more, and takes lanes ahead of its calls', async () => {
    const [concurrentMax, units] = [3, 8];
    const farm = openPlainFarm(database, {
      line: lineAt(shopfloor.url),
      limits: limitsWith({ 'lanes.concurrentMax': concurrentMax }),
    });
    farms.push(farm);
    const lanes = await Promise.all(
      Array.from({ length: units }, (_, n) => insertUnit(farm.pool, `AHEAD-${String(n)}`)),
    );
    const ids = await Promise.all(lanes.map((unit) => oweTo(farm.pool, unit, attempt(1))));
    let [underWay, most, ahead] = [0, 0, 0];
    const pump = startPump(farm, (client) => ({
      close: () => client.close(),
      call: async (...call) => {
        underWay += 1;
        most = Math.max(most, underWay);
        ahead = Math.max(ahead, ...pump.state().map((state) => state.lanes));
        const outcome = await client.call(...call);
        underWay -= 1;
        return outcome;
      },
    }));
    await allIn(ids.flat(), 'DELIVERED');
    expect(most).toBe(concurrentMax);
    expect(ahead).toBe(2 * concurrentMax);
    expect((await statesOf(ids.flat())).every(({ sends }) => sends === 1)).toBe(true);
  });

  it('looks again soon for a lane that another replica was looking at, and not once none is due', async () => {
    const slept: number[] = [];
    const { promise: lookedOnce, resolve: tellLooked } = Promise.withResolvers<null>();
    const sleep = (ms: number, signal?: AbortSignal): Promise<void> => {
      slept.push(ms);
      tellLooked(null);
      return wallClock.sleep(ms, signal);
    };
    // Only a look that comes sooner finds it in the time of this test.
    const limits = limitsWith({ 'lanes.pollMs': HOUR_MS });
    const farm = openPlainFarm(database, { line: lineAt(shopfloor.url), limits, clock: { ...wallClock, sleep } });
    farms.push(farm);
    const unit = await insertUnit(farm.pool, 'HELD');
    const ids = await oweTo(farm.pool, unit, attempt(0));
    const other = await farm.pool.connect();
    await other.query('begin');
    await other.query('select from lanes for update');
    startPump(farm);
    await lookedOnce;
    await other.query('rollback');
    other.release();
    await allIn(ids, 'DELIVERED');
    await vi.waitFor(() => expect(slept.at(-1)).toBeGreaterThan(HOUR_MS / 2), { timeout: 30_000, interval: 5 });
  });

  it('does not look again and again for the lanes of a paused bridge', async () => {
    const { promise: slept, resolve: tellSlept } = Promise.withResolvers<number>();
    const sleep = (ms: number, signal?: AbortSignal): Promise<void> => {
      tellSlept(ms);
      return wallClock.sleep(ms, signal);
    };
    const limits = limitsWith({ 'lanes.pollMs': HOUR_MS });
    const farm = openPlainFarm(database, { line: lineAt(shopfloor.url), limits, clock: { ...wallClock, sleep } });
    farms.push(farm);
    await oweTo(farm.pool, await insertUnit(farm.pool, 'PAUSED'), attempt(0));
    await insertRestore(farm.pool, 'SAID', 1);
    startPump(farm);
    expect(await slept).toBeGreaterThan(HOUR_MS / 2);
  });

  it('sends what a dead replica left behind again, with the same key and body, once its time is over', async () => {
    const dead = openFarm();
    const heir = openFarm();
    const startsAt = new Date('2026-03-01T08:00:00Z');
    await database.setNow(startsAt);
    const unit = await insertUnit(dead.pool, 'HEIR');
    const [start] = await oweTo(dead.pool, unit, attempt(0));
    const { promise: buried, resolve: bury } = Promise.withResolvers<null>();
    const { promise: applied, resolve: tellApplied } = Promise.withResolvers<null>();
    // The call is applied, and the replica never learns it: it died.
    startPump(dead, (client) => ({
      close: () => client.close(),
      call: async (...call) => {
        const outcome = await client.call(...call);
        tellApplied(null);
        await buried;
        return outcome;
      },
    }));
    await applied;
    startPump(heir);
    await database.setNow(new Date(startsAt.getTime() + heir.limits.lanes.leaseMs - 1));
    expect(await claimCalls(heir, renderCall, () => 1)).toEqual([]);
    expect(await shopfloor.journal.lines()).toHaveLength(1);

    await database.setNow(new Date(startsAt.getTime() + heir.limits.lanes.leaseMs));
    heir.wake([{ kind: 'lanes' }]);
    await allIn([start!], 'DELIVERED');
    expect(await statesOf([start!])).toMatchObject([{ sends: 2, ambiguous: true, faults: 0 }]);
    const { rows: sends } = await database.pool.query(
      'select number, replica, outcome from call_sends where call_id = $1 order by number',
      [start],
    );
    expect(sends).toEqual([
      { number: 1, replica: dead.replica, outcome: 'ambiguous' },
      { number: 2, replica: heir.replica, outcome: 'answered' },
    ]);
    const { duplicates } = checkJournal(await shopfloor.journal.lines());
    expect(duplicates).toMatchObject([{ key: start, repeats: 1, sameBody: true, timesApplied: 1 }]);

    // The dead one comes back to life: what it has to say is no longer wanted.
    bury(null);
    await pumps[0]!.stop();
    expect(await statesOf([start!])).toMatchObject([{ state: 'DELIVERED', sends: 2 }]);
  });

  it('goes on where it was after an outage, which costs no attempts', async () => {
    const soon = { 'breaker.openMs': 5, 'lanes.backoffMinMs': 5, 'lanes.backoffMaxMs': 5 };
    // No look but those that what happens asks for.
    const farm = openFarm(limitsWith({ ...soon, 'lanes.pollMs': HOUR_MS }));
    const unit = await insertUnit(farm.pool, 'AWAY');
    const { port } = shopfloor;
    await shopfloor.stop();
    const ids = await oweTo(farm.pool, unit, attempt(2));
    const pump = startPump(farm);
    await eventually(async () => expect(farm.calls.length).toBeGreaterThan(8));
    expect(new Set(farm.calls.map(({ outcome }) => outcome))).toEqual(new Set(['refused']));
    expect(pump.state()[0]!.breaker).not.toBe('closed');
    shopfloor = await openShopfloor({ port });
    await allIn(ids, 'DELIVERED');
    expect(await statesOf(ids)).toMatchObject(ids.map(() => ({ faults: 0, ambiguous: false })));
    expect(pump.state()).toMatchObject([{ breaker: 'closed' }]);
    expect(checkJournal(await shopfloor.journal.lines())).toMatchObject({ applied: 4, orderViolations: [] });
  });

  it('records what was answered while the database was away, and sends nothing twice', async () => {
    const farm = openFarm();
    const unit = await insertUnit(farm.pool, 'CUT');
    const ids = await oweTo(farm.pool, unit, attempt(2));
    startPump(farm, (client) => ({
      close: () => client.close(),
      call: async (...call) => {
        const outcome = await client.call(...call);
        await database.pool.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and usename = current_user and pid <> pg_backend_pid()`,
        );
        return outcome;
      },
    }));
    await allIn(ids, 'DELIVERED');
    expect(await statesOf(ids)).toMatchObject(ids.map(() => ({ sends: 1, ambiguous: false })));
  });

  it('makes a dead letter of a call that is faulted five times, which blocks its own lane only', async () => {
    await shopfloor.stop();
    const faults = [
      { kind: 'fault', device: 'DEAD', method: 'UpdateTestResult', next: 6, text: 'no such test' },
    ] as const;
    shopfloor = await openShopfloor({ faults });
    const farm = openFarm();
    const [bad, good] = [await insertUnit(farm.pool, 'DEAD'), await insertUnit(farm.pool, 'ALIVE')];
    const badIds = await oweTo(farm.pool, bad, attempt(1));
    const goodIds = await oweTo(farm.pool, good, attempt(1));
    startPump(farm);
    await allIn(goodIds, 'DELIVERED');
    const [, dead] = badIds;
    await allIn([dead!], 'DEAD');
    const { lanes } = await listLanes(farm, { instance: INSTANCE, blockedOnly: true, pageSize: 0, pageToken: '' });
    expect(lanes).toMatchObject([{ deviceId: bad, serial: 'DEAD', owed: 2, blocked: true }]);
    expect(lanes[0]!.head).toMatchObject({
      id: dead,
      faults: 5,
      lastError: 'fault -1001: no such test',
      nextSendAt: null,
    });

    // One more fault is enough to tell the operator that the cause is still there.
    await retryCall(farm, { instance: INSTANCE, id: dead! });
    await eventually(async () => expect(await statesOf([dead!])).toMatchObject([{ state: 'DEAD', faults: 6 }]));
    await retryCall(farm, { instance: INSTANCE, id: dead! });
    await allIn(badIds, 'DELIVERED');
    expect(checkJournal(await shopfloor.journal.lines()).orderViolations).toEqual([]);
    await expect(retryCall(farm, { instance: INSTANCE, id: dead! })).rejects.toMatchObject({ reason: 'CALL_NOT_DEAD' });
  });

  it('goes on without a call that an operator skips, and keeps the reason', async () => {
    await shopfloor.stop();
    shopfloor = await openShopfloor({ faults: [{ kind: 'garbage', device: 'SKIP', method: 'NotifyStart' }] });
    const farm = openFarm(limitsWith({ 'lanes.backoffMinMs': 60_000 }));
    const held = { ...farm, random: () => 0.9 };
    const unit = await insertUnit(farm.pool, 'SKIP');
    const ids = await oweTo(farm.pool, unit, attempt(0));
    startPump(held);
    // Never answered readably: no dead letter, for it may be an outage; yet an operator can give it up.
    await eventually(async () => expect(await statesOf(ids)).toMatchObject([{ state: 'OWED', ambiguous: true }, {}]));
    const id = ids[0]!;
    await expect(skipCall(farm, { instance: INSTANCE, id, reason: ' ' })).rejects.toMatchObject({
      reason: 'REASON_MISSING',
    });
    await expect(skipCall(farm, { instance: INSTANCE, id: ids[1]!, reason: 'late' })).rejects.toMatchObject({
      reason: 'CALL_NOT_AT_HEAD',
    });
    await skipCall(farm, { instance: INSTANCE, id, reason: 'told by phone' });
    await allIn([ids[1]!], 'DELIVERED');
    const { calls } = await listCalls(farm, {
      instance: INSTANCE,
      states: ['SKIPPED'],
      serial: 'SKIP',
      jobId: null,
      pageSize: 0,
      pageToken: '',
    });
    expect(calls).toMatchObject([{ id, skipReason: 'told by phone', possiblyDuplicated: true }]);
    await expect(skipCall(farm, { instance: INSTANCE, id, reason: 'again' })).rejects.toMatchObject({
      reason: 'CALL_SETTLED',
    });
    await expect(skipCall(farm, { instance: INSTANCE, id: 'no uuid', reason: 'x' })).rejects.toMatchObject({
      kind: 'NOT_FOUND',
    });
  });

  it('lets calls under way end when it stops, and lets the lanes go', async () => {
    const farm = openFarm();
    const unit = await insertUnit(farm.pool, 'STOP');
    const { promise: underWay, resolve: tellUnderWay } = Promise.withResolvers<null>();
    const { promise: answer, resolve: letAnswer } = Promise.withResolvers<null>();
    const ids = await oweTo(farm.pool, unit, attempt(1));
    const pump = startPump(farm, (client) => ({
      close: () => client.close(),
      call: async (...call) => {
        tellUnderWay(null);
        await answer;
        return client.call(...call);
      },
    }));
    await underWay;
    const stopped = pump.stop();
    letAnswer(null);
    await stopped;
    expect((await statesOf(ids)).map(({ state }) => state)).toEqual(['DELIVERED', 'OWED', 'OWED']);
    const { rows } = await database.pool.query(
      'select owner, owned_until, due_at is not null as due from lanes where device_id = $1',
      [unit],
    );
    expect(rows).toEqual([{ owner: null, owned_until: null, due: true }]);
  });
});
