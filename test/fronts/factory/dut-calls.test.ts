/** What single shopfloor calls of a DUT do: to the job of its station, to its lane, and what the DUT is told. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { cancelJob } from '../../../src/farm/cancel-job.ts';
import { sweepExternal } from '../../../src/farm/sweep-external.ts';
import { checkJournal } from '../../../src/reference-shopfloor/check-journal.ts';
import {
  type ReferenceShopfloor,
  type ReferenceShopfloorOptions,
  startReferenceShopfloor,
} from '../../../src/reference-shopfloor/reference-shopfloor.ts';
import { readReadiness } from '../../../src/store/devices.ts';
import { insertLeases } from '../../../src/store/leases.ts';
import type { XmlRpcValue } from '../../../src/wire/xml-rpc.ts';
import { connectBot, giveJob } from '../../support/fleet.ts';
import { insertJob, insertUnit } from '../../support/rows.ts';
import { wallClock } from '../../support/wall-clock.ts';
import { openFactory, type TestFactory } from './open-factory.ts';

let shopfloor: ReferenceShopfloor;
let factory: TestFactory;
afterEach(async () => {
  expect(await factory.database.doctor()).toEqual([]);
  await factory.close();
  await shopfloor.stop();
});

/** No wait of the bridge is long; a DUT is as patient as the test says. */
const QUICK = { lanes: { backoffMinMs: 1, backoffMaxMs: 5 }, breaker: { openMs: 5 } };
const PATIENT = { ...QUICK, external: { answerMs: 60_000 } };
const HASTY = { ...QUICK, external: { answerMs: 1 } };

async function open(
  options: Parameters<typeof openFactory>[0],
  shop: Partial<ReferenceShopfloorOptions> = {},
): Promise<void> {
  shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null, ...shop });
  factory = await openFactory({ ...options, shopfloorUrl: shopfloor.url });
}

const BOARD = { 'serials.mlb_serial_number': 'C1' };
const call = async (method: string, ...params: XmlRpcValue[]): Promise<unknown> => {
  const answer = await factory.call(method, ...params);
  if (answer.kind === 'fault') return answer.text.split('\n').at(-1);
  return answer.kind === 'value' ? { ...(answer.value as object) } : answer;
};

const jobs = async (): Promise<unknown[]> => {
  const { rows } = await factory.database.pool.query<Record<string, unknown>>(
    `select station, state, verdict, failure, reason from jobs order by id`,
  );
  return rows.map((row) => [row['station'], row['state'], row['verdict'] ?? row['failure'], row['reason']]);
};

/** What the shopfloor applied, once all is delivered. */
const told = async (): Promise<string[]> => {
  await vi.waitFor(async () => {
    const { rows } = await factory.database.pool.query('select from unsettled_calls');
    expect(rows).toEqual([]);
  }, 60_000);
  const lines = await shopfloor.journal.lines();
  return lines
    .filter(({ outcome }) => outcome === 'applied')
    .map(({ method, station, testId, status, event }) =>
      [method, method === 'UpdateTestResult' ? null : station, testId, status, event]
        .filter((word) => word !== null)
        .join(' '),
    );
};

describe('a call of a DUT', { timeout: 120_000 }, () => {
  test('is answered by the shopfloor, with what a DUT can take of it', async () => {
    const deviceData = {
      NotifyStart: {
        'factory.line': 'L4',
        'component.has_touchscreen': 'yes',
        'factory.gone': null,
        'vpd.rw.ubind_attribute': 'ab'.repeat(36),
        action: 're-run',
      },
      UpdateTestResult: { action: 're-run' },
    };
    await open({ limits: PATIENT }, { replies: { deviceData } });
    expect(await call('NotifyStart', BOARD, 'SMT')).toEqual({ 'factory.line': 'L4' });
    expect(await call('UpdateTestResult', BOARD, 'SMT.A', 'PASSED')).toEqual({});
    expect(await call('NotifyEnd', BOARD, 'SMT')).toEqual({});
    expect(await factory.call('GetVersion')).toEqual({ kind: 'value', value: '1.0' });
    expect(await jobs()).toEqual([['SMT', 'FINISHED', 'PASSED', '']]);
  });

  test('that says the same again is the same call, and a test that FAILED first did', async () => {
    await open({ limits: PATIENT }, { replies: { atStart: { SMT: { 'factory.line': 'L4' } } } });
    const details = { error_message: 'too hot', measurements: [1.5, { deep: true }], note: Buffer.from('x') };
    for (let times = 1; times <= 2; times += 1) {
      expect(await call('NotifyStart', { ...BOARD, 'factory.round': times }, 'SMT')).toEqual({ 'factory.line': 'L4' });
    }
    for (const status of ['FAILED', 'FAILED', 'PASSED', 'PASSED', 'FAILED']) {
      expect(await call('UpdateTestResult', BOARD, 'SMT.A', status, details)).toEqual({});
    }
    for (let times = 1; times <= 3; times += 1) expect(await call('NotifyEnd', BOARD, 'SMT')).toEqual({});
    for (let times = 1; times <= 2; times += 1) expect(await call('Finalize', 'SN1')).toEqual({});
    expect(await jobs()).toEqual([['SMT', 'FINISHED', 'FAILED', 'SMT.A: FAILED']]);
    expect(await told()).toEqual([
      'NotifyStart SMT',
      ...['FAILED', 'PASSED', 'FAILED'].map((status) => `UpdateTestResult SMT.A ${status}`),
      'NotifyEnd SMT',
      'NotifyEvent Finalize',
    ]);
  });

  test('that says the same again after more than a weekend is a new one', async () => {
    await open({ limits: PATIENT });
    for (const ago of ['71 hours', '2 hours']) {
      expect(await call('Finalize', 'SN1')).toEqual({});
      await factory.database.pool.query(
        `with sent as (update call_sends set sent_at = sent_at - $1::interval, ended_at = ended_at - $1::interval)
         update shopfloor_calls set owed_at = owed_at - $1::interval, settled_at = settled_at - $1::interval`,
        [ago],
      );
    }
    expect(await told()).toEqual(['NotifyEvent Finalize']);
    expect(await call('Finalize', 'SN1')).toEqual({});
    expect(await told()).toEqual(['NotifyEvent Finalize', 'NotifyEvent Finalize']);
  });

  test('ends a station that failed, that another station follows, that was cancelled, and that fell silent', async () => {
    await open({ limits: PATIENT });
    await call('NotifyStart', BOARD, 'SMT');
    await call('UpdateTestResult', BOARD, 'SMT', 'FAILED', { error_message: 'no sound' });
    await call('NotifyStart', BOARD, 'FAT');
    await call('NotifyStart', BOARD, 'FATRedLight');
    await call('NotifyStart', BOARD, 'RUNIN');
    const { rows } = await factory.database.pool.query<{ id: number }>(`select id from open_jobs`);
    expect(await cancelJob(factory.farm, { instance: 'line-1', id: rows[0]!.id, reason: 'moved' })).toEqual({
      outcome: 'CANCELLED',
    });
    await call('UpdateTestResult', BOARD, 'RUNIN.A', 'PASSED');
    await call('NotifyStart', BOARD, 'FFT');
    await sweepExternal(factory.farm);
    await factory.database.pool.query(`update open_leases set execution_deadline = farm_now() - interval '1 ms'`);
    await sweepExternal(factory.farm);
    expect(await jobs()).toEqual([
      ['SMT', 'FINISHED', 'FAILED', 'SMT: FAILED'],
      ['FAT', 'FAILED', 'ERROR', 'the DUT began RUNIN without having ended FAT'],
      ['RUNIN', 'CANCELLED', null, 'moved'],
      ['FFT', 'FAILED', 'LOST', 'the DUT has not called for longer than limits.external.silent'],
    ]);
    expect(await told()).toEqual([
      'NotifyStart SMT',
      'UpdateTestResult SMT FAILED',
      'NotifyStart FAT',
      'NotifyStart FATRedLight',
      'UpdateTestResult FAT FAILED',
      'NotifyStart RUNIN',
      'UpdateTestResult RUNIN FAILED',
      'UpdateTestResult RUNIN.A PASSED',
      'NotifyStart FFT',
      'UpdateTestResult FFT FAILED',
    ]);
  });

  test('is refused while a bot has the DUT, and a bot gets none that a DUT runs by itself', async () => {
    await open({ limits: PATIENT });
    const { pool } = factory.database;
    const deviceId = await insertUnit(pool, 'C1');
    const bot = await connectBot(factory.farm, { botId: 'bot-1', deviceIds: [deviceId] });
    await giveJob(factory.farm, bot, await insertJob(pool, { deviceId, station: 'SMT' }));
    const words = /^RuntimeError: Bot bot-1 runs SMT on this DUT \(job \d+\) and tells the shopfloor itself/;
    for (const [method, ...args] of [
      ['NotifyStart', 'SMT'],
      ['NotifyEnd', 'SMT'],
      ['UpdateTestResult', 'A', 'PASSED'],
    ] as const) {
      expect(await call(method, BOARD, ...args)).toMatch(words);
    }
    expect(await call('NotifyEvent', BOARD, 'Finalize')).toEqual({});
    expect(await call('NotifyStart', { 'serials.mlb_serial_number': 'C2' }, 'SMT')).toEqual({});
    const { rows } = await pool.query<{ id: number }>(
      `select device_id as id from open_leases where session_name is null`,
    );
    const { id } = rows[0]!;
    // What a grant asks, and what keeps it from being written.
    expect((await readReadiness(pool, [id])).get(id)).toMatchObject({ leased: true });
    const jobId = await insertJob(pool, { deviceId: id, station: 'FFT' });
    const lease = { jobId, instance: 'line-1', sessionName: bot.name, botId: bot.botId, deviceId: id, station: 'FFT' };
    const granted = { ...lease, id: randomUUID(), attempt: 1, gated: false, work: null, lostAfterMs: 1 };
    expect(await insertLeases(pool, [granted])).toEqual(new Set());
  });

  test.for(['queue', 'fault'] as const)('that nobody answers in time is kept: %s', async (unanswered) => {
    await open({ limits: HASTY, unanswered }, { faults: [{ kind: 'refuse', method: 'NotifyStart' }] });
    const answer =
      unanswered === 'queue'
        ? {}
        : expect.stringMatching(
            /^RuntimeError: The shopfloor has not answered NotifyStart yet .* try again for its answer\.$/,
          );
    expect(await call('NotifyStart', BOARD, 'SMT')).toEqual(answer);
    expect(await call('NotifyStart', BOARD, 'SMT')).toEqual(answer);
    await fetch(`${shopfloor.url}control`, { method: 'POST', body: JSON.stringify({ faults: [] }) });
    expect(await told()).toEqual(['NotifyStart SMT']);
    // Its operator tries again, and now there is an answer.
    expect(await call('NotifyStart', BOARD, 'SMT')).toEqual({});
    expect(checkJournal(await shopfloor.journal.lines())).toMatchObject({ applied: 1, duplicates: [] });
  });

  test('that the shopfloor refuses is a fault in its words; calling again sends it again, a dead letter too', async () => {
    const text = 'Traceback\nMES: unit C1 not routed to SMT';
    await open(
      { limits: { ...PATIENT, lanes: { ...QUICK.lanes, faultsMax: 1 } } },
      {
        faults: [
          { kind: 'fault', code: -7, text, method: 'NotifyStart', next: 2 },
          { kind: 'fault', code: -8, text: 'unknown', method: 'GetDeviceInfo' },
        ],
      },
    );
    for (let times = 1; times <= 2; times += 1) {
      expect(await call('NotifyStart', BOARD, 'SMT')).toBe('MES: unit C1 not routed to SMT');
      const { rows } = await factory.database.pool.query('select state from unsettled_calls');
      expect(rows).toEqual([{ state: 'DEAD' }]);
    }
    expect(await call('NotifyStart', BOARD, 'SMT')).toEqual({});
    expect(await call('GetDeviceInfo', BOARD)).toBe(
      'RuntimeError: The shopfloor refused GetDeviceInfo: fault -8: unknown',
    );
    expect(await told()).toEqual(['NotifyStart SMT']);
  });

  test('goes to the partner as the DUT said it, over what is known of the unit', async () => {
    await open({ limits: PATIENT }, { replies: { atStart: { SMT: { 'factory.line': 'L4', 'factory.mode': 'old' } } } });
    await call('NotifyStart', BOARD, 'SMT');
    await call('UpdateTestResult', { ...BOARD, 'factory.mode': 'new', 'vpd.ro.x': 'y' }, 'SMT.A', 'PASSED', {
      own: { words: [1] },
    });
    const { rows } = await factory.database.pool.query<{ body: string }>(
      'select body from shopfloor_calls order by position desc limit 1',
    );
    const body = rows[0]!.body;
    for (const part of [
      'factory.line',
      '<string>L4</string>',
      '<string>new</string>',
      '<name>own</name>',
      '<name>words</name>',
    ]) {
      expect(body).toContain(part);
    }
    expect(body).not.toMatch(/old|vpd/);
    await call('UpdateTestResult', BOARD, 'SMT.B', 'PASSED');
    const { rows: last } = await factory.database.pool.query<{ body: string }>(
      'select body from shopfloor_calls order by position desc limit 1',
    );
    expect(last[0]!.body).toMatch(/<nil\/><\/value><\/param><\/params>/);
  });
});
