/** DUTs that only speak XML-RPC, from their first station to the last: Python's own client, a real shopfloor, a real database. */
import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { checkJournal } from '../../../src/reference-shopfloor/check-journal.ts';
import {
  type ReferenceShopfloor,
  type ReferenceShopfloorOptions,
  startReferenceShopfloor,
} from '../../../src/reference-shopfloor/reference-shopfloor.ts';
import { wallClock } from '../../support/wall-clock.ts';
import { openFactory, runPython, type TestFactory } from './open-factory.ts';

const python = spawnSync('python3', ['-c', 'import xmlrpc.client'], { encoding: 'utf8' });
const missing = python.status === 0 ? null : (python.error?.message ?? python.stderr.trim());
if (missing !== null)
  process.stderr.write(`skipped: test/fronts/factory/dut-life: no python3 with xmlrpc (${missing})\n`);

/** A registration code of each kind. */
const UBIND = 'ab'.repeat(36);
const GBIND = `=${'Qm'.repeat(30)}`;

/** The calls of a typical unit. What meets a fault is called again, as by an operator. `said` is what calls were answered. */
const LIFE = `
import sys, json, threading, time, xmlrpc.client
from xmlrpc.client import Binary, Fault
url, count, ubind, gbind = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
complaints, answers = [], []
def live(number):
    server = xmlrpc.client.ServerProxy(url, allow_none=True)
    data = {'serials.mlb_serial_number': 'C%04d' % number, 'factory.smt_operator_id': 'OP7', 'factory.ratio': 0.5}
    def call(method, *args):
        for tries in range(10000):
            try:
                told = getattr(server, method)(*args)
            except Fault as fault:
                if tries == 0: answers.append([method, fault.faultString.splitlines()[-1]])
                continue
            except xmlrpc.client.ProtocolError as error:
                if error.errcode == 503: continue
                raise
            except Exception as error:
                complaints.append([method, str(error)])
                return {}
            if not isinstance(told, (dict, bool)): complaints.append([method, repr(told)])
            elif isinstance(told, dict):
                answers.append([method, sorted(told)])
                data.update({key: value for key, value in told.items() if key.split('.')[0] in ('serials', 'factory', 'hwid')})
            return told
        complaints.append([method, 'never answered'])
    for station in ['SMT', 'FAT', 'RUNIN', 'FFT', 'GRT']:
        call('NotifyStart', data, station)
        data['factory.start_' + station] = True
        if station == 'FAT':
            told = call('GetDeviceInfo', data)
            if told.get('vpd.rw.ubind_attribute') != ubind: complaints.append(['GetDeviceInfo', told])
            data['hwid'] = 'LINK A2C-B3D'
        call('UpdateTestResult', data, station + '.A', 'PASSED')
        call('UpdateTestResult', data, station + '.B', 'SKIPPED', {'error_message': 'no such part', 'ubind_attribute': ubind})
        if station in ('SMT', 'GRT'): call('UploadReport', 'C%04d' % number, Binary(b'report'), None, station)
        if station == 'GRT': call('ActivateRegCode', ubind, gbind, 'LINK A2C-B3D')
        call('NotifyEnd', data, station)
        data['factory.end_' + station] = True
    call('NotifyEvent', data, 'Finalize')
threads = [threading.Thread(target=live, args=(number,)) for number in range(count)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps([complaints, answers]))
`;

let shopfloor: ReferenceShopfloor;
let factory: TestFactory;
afterEach(async () => {
  await factory.close();
  await shopfloor.stop();
});

async function open(
  options: Parameters<typeof openFactory>[0] = {},
  replies: NonNullable<ReferenceShopfloorOptions['replies']> = {},
): Promise<void> {
  shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null, replies });
  factory = await openFactory({ ...options, shopfloorUrl: shopfloor.url });
}

const control = (command: object): Promise<Response> =>
  fetch(`${shopfloor.url}control`, { method: 'POST', body: JSON.stringify(command) });

const untilDelivered = (): Promise<void> =>
  vi.waitFor(
    async () => {
      const { rows } = await factory.database.pool.query(`select id from unsettled_calls limit 1`);
      expect(rows).toEqual([]);
    },
    { timeout: 60_000, interval: 20 },
  );

const DEVICE_INFO = { 'vpd.ro.region': 'us', 'vpd.rw.ubind_attribute': UBIND, 'vpd.rw.gbind_attribute': GBIND };

describe.skipIf(missing !== null)('a line of DUTs', { timeout: 240_000 }, () => {
  test.for([
    20,
    ...(process.env['STATIONGRID_DUT_LIVES'] === undefined ? [] : [Number(process.env['STATIONGRID_DUT_LIVES'])]),
  ])('%i whole lives', async (units) => {
    await open(
      {
        limits: {
          external: { answerMs: 2_000 },
          lanes: { backoffMinMs: 10, backoffMaxMs: 100 },
          breaker: { openMs: 50 },
        },
      },
      { deviceData: { GetDeviceInfo: DEVICE_INFO } },
    );
    const down = control({
      addFaults: [
        { kind: 'refuse', ms: 700, station: 'RUNIN', next: 1 },
        { kind: 'drop-after-applying', probability: 0.02 },
      ],
    });
    const [complaints] = (await runPython(LIFE, factory.url, String(units), UBIND, GBIND)) as [unknown[], unknown[]];
    expect((await down).status).toBe(200);
    expect([complaints, factory.logged.filter(({ level }) => level !== 'info').slice(0, 5)]).toEqual([[], []]);
    await untilDelivered();
    const lines = await shopfloor.journal.lines();
    const check = checkJournal(lines);
    expect(check).toMatchObject({ orderViolations: [], openAttempts: [], gapsAfter: [], devices: units });
    // Questions come again when their answer is lost; what tells the shopfloor something came as it was said, and was applied once.
    const told = lines.filter(({ method, outcome }) => outcome === 'applied' && !QUESTIONS.has(method));
    expect(told).toHaveLength(units * 21);
    const { rows: ambiguous } = await factory.database.pool.query<{ id: string }>(
      'select id from shopfloor_calls where ambiguous',
    );
    const doubtful = new Set(ambiguous.map(({ id }) => id));
    for (const { key, sameBody } of check.duplicates) expect([sameBody, doubtful.has(key)]).toEqual([true, true]);
    expect(await factory.database.doctor()).toEqual([]);
    const { rows: jobs } = await factory.database.pool.query(
      `select station, state, verdict, attempts, count(*)::int as n from jobs group by 1, 2, 3, 4 order by station`,
    );
    const ended = { state: 'FINISHED', verdict: 'PASSED', attempts: 1, n: units };
    expect(jobs).toEqual(['FAT', 'FFT', 'GRT', 'RUNIN', 'SMT'].map((station) => ({ station, ...ended })));
    expect(await keptCodes()).toEqual([]);
  });
});

const QUESTIONS: ReadonlySet<string> = new Set(['GetDeviceInfo', 'ActivateRegCode', 'GetVersion']);

/** Where a registration code can be found: tables of the database, and the log. */
async function keptCodes(): Promise<string[]> {
  const { rows: tables } = await factory.database.pool.query<{ name: string }>(
    `select format('%I', tablename) as name from pg_tables where schemaname = 'public'`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const { rows } = await factory.database.pool.query<{ n: number }>(
      `select count(*)::int as n from ${name} t where t::text like $1 or t::text like $2`,
      [`%${UBIND}%`, `%${GBIND}%`],
    );
    if (rows[0]!.n > 0) found.push(name);
  }
  const logged = JSON.stringify(factory.logged);
  return logged.includes(UBIND) || logged.includes(GBIND) ? [...found, 'log'] : found;
}
