/** Shopfloor calls: owing them, sending them, and what operators do with them. */
import { enqueueJob } from '../../../src/farm/enqueue-job.ts';
import { postBotEvent } from '../../../src/farm/post-bot-event.ts';
import { reportTestResults } from '../../../src/farm/report-test-results.ts';
import { retryCall } from '../../../src/farm/retry-call.ts';
import { skipCall } from '../../../src/farm/skip-call.ts';
import { board, connect, testResult, type TestHome } from '../../support/bot-calls.ts';
import { jobRequest, mlb } from '../../support/job-requests.ts';
import { INSTANCE, insertUnit, oweTo } from '../../support/rows.ts';
import { callOfEvent } from '../../../src/core/shopfloor-call.ts';
import type { Pair } from '../cross.ts';
import { claim, kill, record, running } from '../moves.ts';
import type { Scene } from '../stage.ts';
import { callsAre, told } from '../words.ts';

const LANE_LEASE_MS = 30_000;

/** A DUT whose lane owes so many calls, which are named one, two, … */
const owing = async ({ pool }: Pick<Scene, 'pool'>, names: readonly string[], board_ = 'U1') => {
  const deviceId = await insertUnit(pool, board_);
  const ids = await oweTo(
    pool,
    deviceId,
    names.map((name) => callOfEvent('', name)),
  );
  return { deviceId, ids };
};

const retry = (home: TestHome, id: string): Promise<string> =>
  retryCall(home, { instance: INSTANCE, id }).then(() => 'retried');
const skip = (home: TestHome, id: string): Promise<string> =>
  skipCall(home, { instance: INSTANCE, id, reason: 'told by phone' }).then(() => 'skipped');

export const lanePairs: readonly Pair[] = [
  {
    name: 'append / append, a result and the event of another bot of the DUT',
    ready: async ({ a, b, c, read }) => {
      const { bot, id } = await running(c, 'x', { serials: mlb('U1') }, { duts: [board('U1')] });
      const other = await connect(c, 'y', { duts: [board('U1')] });
      const report = { session: bot.name, caller: null, leaseId: id, results: [testResult('probe', 'PASSED')] };
      const event = { session: other.name, caller: null, type: 1, message: 'door open' };
      return {
        a: () => reportTestResults(a, report).then(() => 'reported'),
        b: () => postBotEvent(b, event).then(() => 'posted'),
        stands: () => callsAre(read),
      };
    },
    ends: [
      ['reported', 'posted', 'NotifyStart OWED, probe OWED, DoorOpen OWED'],
      ['reported', 'posted', 'NotifyStart OWED, DoorOpen OWED, probe OWED'],
    ],
  },
  {
    name: 'append / record of the last call owed',
    ready: async ({ a, b, c, pool, read }) => {
      await owing({ pool }, ['one']);
      const other = await connect(c, 'y', { duts: [board('U1')] });
      const call = await claim(b);
      return {
        a: () =>
          postBotEvent(a, { session: other.name, caller: null, type: 1, message: 'door open' }).then(() => 'posted'),
        b: () => record(b, call, { goesOn: true }),
        stands: () => callsAre(read),
      };
    },
    ends: [
      ['posted', 'next DoorOpen', 'one DELIVERED, DoorOpen OWED under way'],
      ['posted', 'let go', 'one DELIVERED, DoorOpen OWED'],
    ],
  },
  {
    name: 'append / claim',
    ready: async ({ a, b, c, pool, read }) => {
      await owing({ pool }, ['one']);
      const other = await connect(c, 'y', { duts: [board('U1')] });
      return {
        a: () =>
          postBotEvent(a, { session: other.name, caller: null, type: 1, message: 'door open' }).then(() => 'posted'),
        b: () => claim(b).then((call) => call?.event ?? 'nothing'),
        stands: () => callsAre(read),
      };
    },
    ends: [
      ['posted', 'one', 'one OWED under way, DoorOpen OWED'],
      ['posted', 'nothing', 'one OWED, DoorOpen OWED'],
    ],
  },
  {
    name: 'claim / claim',
    ready: async ({ a, b, pool, read }) => {
      await owing({ pool }, ['one', 'two']);
      return {
        a: () => claim(a).then((call) => call?.event ?? 'nothing'),
        b: () => claim(b).then((call) => call?.event ?? 'nothing'),
        stands: () => callsAre(read),
      };
    },
    ends: [
      ['one', 'nothing', 'one OWED under way, two OWED'],
      ['nothing', 'one', 'one OWED under way, two OWED'],
    ],
  },
  {
    name: 'record / claim by a second owner, whose time has come',
    ready: async ({ a, b, pool, at, read }) => {
      await owing({ pool }, ['one', 'two']);
      const call = await claim(a);
      await at(LANE_LEASE_MS);
      return {
        a: () => record(a, call, { goesOn: true }),
        b: () => claim(b).then((taken) => taken?.event ?? 'nothing'),
        stands: () => callsAre(read),
      };
    },
    ends: [
      ['next two', 'nothing', 'one DELIVERED, two OWED under way'],
      ['fenced', 'one', 'one OWED under way, two OWED'],
    ],
  },
  {
    name: 'record / record by a second owner',
    ready: async ({ a, b, pool, at, read }) => {
      await owing({ pool }, ['one', 'two']);
      const old = await claim(a);
      await at(LANE_LEASE_MS);
      const fresh = await claim(b);
      return { a: () => record(a, old), b: () => record(b, fresh), stands: () => callsAre(read) };
    },
    ends: [['fenced', 'let go', 'one DELIVERED, two OWED']],
  },
  {
    name: 'record / the same record again',
    ready: async ({ a, b, pool, read }) => {
      await owing({ pool }, ['one', 'two']);
      const call = await claim(a);
      // Both sides are one replica here: the commit of its first record was not answered.
      return {
        a: () => record(a, call),
        b: () => record({ ...b, replica: a.replica }, call),
        stands: () => callsAre(read),
      };
    },
    ends: [
      ['let go', 'fenced', 'one DELIVERED, two OWED'],
      ['fenced', 'let go', 'one DELIVERED, two OWED'],
    ],
  },
  {
    name: 'retry / retry, of a dead letter',
    ready: async ({ a, b, c, pool, read }) => {
      const { ids } = await owing({ pool }, ['one', 'two']);
      await kill(c);
      return { a: () => retry(a, ids[0]!), b: () => retry(b, ids[0]!), stands: () => callsAre(read) };
    },
    ends: [
      ['retried', 'CALL_NOT_DEAD', 'one OWED, two OWED'],
      ['CALL_NOT_DEAD', 'retried', 'one OWED, two OWED'],
    ],
  },
  {
    name: 'retry / skip, of a dead letter',
    ready: async ({ a, b, c, pool, read }) => {
      const { ids } = await owing({ pool }, ['one', 'two']);
      await kill(c);
      return { a: () => retry(a, ids[0]!), b: () => skip(b, ids[0]!), stands: () => callsAre(read) };
    },
    ends: [
      ['retried', 'skipped', 'one SKIPPED, two OWED'],
      ['CALL_NOT_DEAD', 'skipped', 'one SKIPPED, two OWED'],
    ],
  },
  {
    name: 'retry of a dead letter / claim',
    ready: async ({ a, b, c, pool, read }) => {
      const { ids } = await owing({ pool }, ['one', 'two']);
      await kill(c);
      return {
        a: () => retry(a, ids[0]!),
        b: () => claim(b).then((call) => call?.event ?? 'nothing'),
        stands: () => callsAre(read),
      };
    },
    ends: [
      ['retried', 'one', 'one OWED under way, two OWED'],
      ['retried', 'nothing', 'one OWED, two OWED'],
    ],
  },
  {
    name: 'skip of a dead letter / append',
    ready: async ({ a, b, c, pool, read }) => {
      const { ids } = await owing({ pool }, ['one']);
      await kill(c);
      const other = await connect(c, 'y', { duts: [board('U1')] });
      return {
        a: () => skip(a, ids[0]!),
        b: () =>
          postBotEvent(b, { session: other.name, caller: null, type: 1, message: 'door open' }).then(() => 'posted'),
        stands: () => callsAre(read),
      };
    },
    ends: [['skipped', 'posted', 'one SKIPPED, DoorOpen OWED']],
  },
  {
    name: 'skip of the head / claim',
    ready: async ({ a, b, pool, read }) => {
      const { ids } = await owing({ pool }, ['one', 'two']);
      return {
        a: () => skip(a, ids[0]!),
        b: () => claim(b).then((call) => call?.event ?? 'nothing'),
        stands: () => callsAre(read),
      };
    },
    ends: [
      ['skipped', 'two', 'one SKIPPED, two OWED under way'],
      ['CALL_UNDER_WAY', 'one', 'one OWED under way, two OWED'],
      ['skipped', 'nothing', 'one SKIPPED, two OWED'],
    ],
  },
  {
    name: 'skip of the head / late record of it',
    ready: async ({ a, b, pool, at, read }) => {
      const { ids } = await owing({ pool }, ['one', 'two']);
      const call = await claim(b);
      await at(LANE_LEASE_MS + 1);
      return { a: () => skip(a, ids[0]!), b: () => record(b, call), stands: () => callsAre(read) };
    },
    ends: [
      ['skipped', 'fenced', 'one SKIPPED, two OWED'],
      ['CALL_SETTLED', 'let go', 'one DELIVERED, two OWED'],
    ],
  },
  {
    name: 'record / record, which give one serial to two DUTs',
    ready: async ({ a, b, pool, read }) => {
      const said = { deviceData: { 'serials.serial_number': 'S1' } };
      await owing({ pool }, ['one'], 'U1');
      const one = await claim(a);
      await owing({ pool }, ['two'], 'U2');
      const two = await claim(b);
      return {
        a: () => record(a, one, said),
        b: () => record(b, two, said),
        stands: () =>
          read(`select m.value || case when d.held_reason is null then '' else ' held' end || coalesce(' is ' || s.value, '')
                from devices d join device_serials m on m.device_id = d.id and m.name = 'serials.mlb_serial_number'
                left join device_serials s on s.device_id = d.id and s.name = 'serials.serial_number' order by m.value`),
      };
    },
    ends: [
      ['let go', 'let go', 'U1 held is S1, U2 held'],
      ['let go', 'let go', 'U1 held, U2 held is S1'],
    ],
  },
  {
    name: 'record, which names a serial / create, which names it too',
    ready: async ({ a, b, pool, read }) => {
      const said = { deviceData: { 'serials.serial_number': 'S1' } };
      await owing({ pool }, ['one'], 'U1');
      const one = await claim(a);
      const duts = [[{ name: 'serials.serial_number', value: 'S1' }]];
      return {
        a: () => record(a, one, said),
        b: () => connect(b, 'x', { duts }).then(({ created }) => told(created)),
        stands: () =>
          read(`select (select string_agg(s.value, '+' order by s.value) from device_serials s where s.device_id = d.id)
                  || case when d.held_reason is null then '' else ' held' end from devices d order by d.id`),
      };
    },
    ends: [
      ['let go', 'nothing', 'S1+U1'],
      ['let go', 'nothing', 'U1 held, S1 held'],
    ],
  },
  {
    name: 'record, which names a serial / enqueue, which names it too',
    ready: async ({ a, b, pool, read }) => {
      const said = { deviceData: { 'serials.serial_number': 'S1' } };
      await owing({ pool }, ['one'], 'U1');
      const one = await claim(a);
      return {
        a: () => record(a, one, said),
        b: () => enqueueJob(b, jobRequest({ serials: { 'serials.serial_number': 'S1' } })).then(() => 'enqueued'),
        stands: () =>
          read(`select (select string_agg(s.value, '+' order by s.value) from device_serials s where s.device_id = d.id)
                  || case when d.held_reason is null then '' else ' held' end from devices d order by d.id`),
      };
    },
    ends: [
      ['let go', 'enqueued', 'S1+U1'],
      ['let go', 'enqueued', 'U1 held, S1 held'],
    ],
  },
  {
    name: 'record, which holds the DUT / grant on it',
    ready: async ({ a, b, c, read }) => {
      const { bot, id } = await running(c, 'x', { serials: mlb('U1') }, { duts: [board('U1')] });
      await reportTestResults(c, {
        session: bot.name,
        caller: null,
        leaseId: id,
        results: [testResult('probe', 'PASSED')],
      });
      await record(a, await claim(a));
      const call = await claim(a);
      await bot.poll([{ id, state: 'CANCELLED' }], { status: 2 });
      const other = await connect(b, 'y', { duts: [board('U1')], status: 2 });
      return {
        a: () => record(a, call, { action: 'stop' }),
        b: () => other.poll([], { status: 1 }).then(told),
        stands: () => read(`select coalesce(held_reason, 'free') from devices`),
      };
    },
    ends: [
      ['let go', 'nothing', 'the shopfloor asked for "stop" on probe'],
      ['let go', 'PENDING', 'the shopfloor asked for "stop" on probe'],
    ],
  },
];
