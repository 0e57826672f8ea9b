/** Events of Testlog as DUT software puts them to the factory door. */
import { connect } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { defaultLimits } from '../../../src/core/limits.ts';
import { toToldEvent } from '../../../src/fronts/factory/to-testlog.ts';
import { readTestlog } from '../../../src/wire/testlog.ts';
import { enveloped, eventField, FORM, formOf, message, MULTI, put, testRun } from './instalog-form.ts';
import { openFactory, runPython, type TestFactory } from './open-factory.ts';

const opened: TestFactory[] = [];
const open = async (options: Parameters<typeof openFactory>[0] = {}): Promise<TestFactory> => {
  const factory = await openFactory(options);
  opened.push(factory);
  return factory;
};
afterEach(async () => {
  for (const factory of opened.splice(0)) await factory.close();
});

const GIB_2 = '2147483648';

const rowsOf = async <T extends object>(factory: TestFactory, question: string): Promise<readonly T[]> =>
  (await factory.database.pool.query<T>(question)).rows;

const uuidsOf = async (factory: TestFactory): Promise<readonly string[]> =>
  (await rowsOf<{ uuid: string }>(factory, 'select uuid from testlog_events order by uuid')).map(({ uuid }) => uuid);

type Aside = {
  readonly reason: string;
  readonly event: string | null;
  readonly path: string | null;
  readonly times: number;
};
const asideOf = (factory: TestFactory): Promise<readonly Aside[]> =>
  rowsOf<Aside>(
    factory,
    `select reason, convert_from(event, 'UTF8') as event, path, times::int from quarantined_events order by id`,
  );

const PYTHON_DUT = `
import http.client, json, sys, uuid
host, port = sys.argv[1], int(sys.argv[2])
told = []
def note(response):
    told.append([response.status, response.getheader('Maximum-Bytes'), response.getheader('Date') is not None])
    response.read()
probe = http.client.HTTPConnection(host, port, timeout=10)
probe.request('GET', '/instalog')
note(probe.getresponse())
boundary = uuid.uuid4().hex
def part(name, filename, body):
    return (('--%s\\r\\nContent-Disposition: form-data; name="%s"; filename="%s"\\r\\n\\r\\n' % (boundary, name, filename)).encode()
            + body + b'\\r\\n')
run = json.loads(sys.argv[3])
run['attachments'] = {'log': {'path': '/tmp/log', 'mimeType': 'text/plain'}}
envelope = {'__type__': 'Event', 'payload': run, 'attachments': {'log': 'part-0'}, 'history': []}
body = (part('part-0', 'part-0', b'the log\\n' * 100000) + part('event', 'event', json.dumps(envelope).encode())
        + part('event', 'event', sys.argv[4].encode()) + ('--%s--\\r\\n' % boundary).encode())
for _ in range(2):
    probe.request('POST', '/instalog', body, {'Content-Type': 'multipart/form-data; boundary=' + boundary,
                                              'Multi-Event': 'True', 'Node-ID': 'dut-7'})
    note(probe.getresponse())
print(json.dumps(told))
`;

test('an uploader in Python is told how much it may send, and what it sends twice is there once', async () => {
  const factory = await open();
  const [host = '', port = ''] = factory.door.address.split(':');
  const words = [JSON.stringify(testRun('u-run')), JSON.stringify(message('u-message'))];
  expect(await runPython(PYTHON_DUT, host, port, ...words)).toEqual([
    [200, GIB_2, true],
    [200, GIB_2, true],
    [200, GIB_2, true],
  ]);
  expect(await uuidsOf(factory)).toEqual(['u-message', 'u-run']);
  expect(factory.counted).toEqual(
    expect.arrayContaining(['testlog kept 2', 'testlog repeated 2', 'instalog answered']),
  );
  const [run] = await rowsOf<{ event: Record<string, unknown>; attachments: unknown; node_id: string; serial: string }>(
    factory,
    `select event, attachments, node_id, s.value as serial from testlog_events e
     join device_serials s on s.device_id = e.device_id and s.name = 'serials.serial_number' where uuid = 'u-run'`,
  );
  const path = 'umpire_data/instalog_attachments/testlog/u-run/log';
  expect(run).toMatchObject({
    event: { dutTime: 1_700_000_020.5, __testlog__: true, testRunId: 'run-1' },
    attachments: { log: { bytes: 800_000, path } },
    node_id: 'dut-7',
    serial: 'A1234',
  });
  // The DUT's clock says 2023; the time that counts is the farm's.
  expect(run?.event['time']).toBeGreaterThan(1_700_000_020.5);
  expect(readFileSync(join(factory.folder, path), 'utf8')).toBe('the log\n'.repeat(100_000));
  expect((await factory.rows()).map(({ kind, serial }) => ({ kind, serial }))).toEqual([
    { kind: 'ATTACHMENT', serial: 'A1234' },
  ]);
});

/** The form ends as it should; its first part does not. */
const HEADLESS = formOf([{ name: 'event', value: '{}' }])
  .toString()
  .replace('\r\n\r\n', '\r\n');

describe('what is asked otherwise than by a form', () => {
  const ask = (factory: TestFactory, request: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port: factory.door.port, host: '127.0.0.1' });
      let said = '';
      socket.on('data', (piece) => {
        said += piece.toString('latin1');
        if (said.includes('\r\n\r\n')) socket.destroy();
      });
      socket.on('close', () => resolve(said));
      socket.on('error', reject);
      socket.write(request);
    });
  const cases: readonly (readonly [what: string, status: number, head: string, body: string])[] = [
    ['no form', 406, 'Content-Type: application/json\r\nContent-Length: 2', '{}'],
    ['no type', 406, 'Content-Length: 2', '{}'],
    ['no length', 411, `Content-Type: ${FORM}\r\nTransfer-Encoding: chunked`, '0\r\n\r\n'],
    ['too long', 413, `Content-Type: ${FORM}\r\nContent-Length: 2147483649`, ''],
    ['no boundary', 400, 'Content-Type: multipart/form-data\r\nContent-Length: 2', 'xx'],
    ['cut off', 400, `Content-Type: ${FORM}\r\nContent-Length: 20`, formOf([]).toString().slice(0, 10).padEnd(20, 'y')],
    ['a part whose headers never end', 400, `Content-Type: ${FORM}\r\nContent-Length: ${HEADLESS.length}`, HEADLESS],
  ];
  test.for(cases)('%s is answered %i, with Maximum-Bytes', async ([, status, head, body]) => {
    const factory = await open();
    const said = await ask(factory, `POST /instalog HTTP/1.1\r\nHost: 127.0.0.1\r\n${head}\r\n\r\n${body}`);
    expect(said).toMatch(new RegExp(`^HTTP/1\\.1 ${String(status)} `));
    expect(said).toMatch(new RegExp(`^maximum-bytes: ${GIB_2}\r$`, 'im'));
    expect(said).toMatch(/^date: /im);
  });

  test('by another method is 405, and by HEAD as by GET', async () => {
    const factory = await open();
    for (const [method, status] of [
      ['PUT', 405],
      ['HEAD', 200],
    ] as const) {
      const { status: said, headers } = await fetch(`${factory.url}/instalog/`, { method });
      expect([said, headers.get('maximum-bytes')]).toEqual([status, GIB_2]);
    }
  });
});

describe('the forms of an event', () => {
  test('are the envelope, the pair of old uploaders and the bare payload, as file or as field', async () => {
    const factory = await open();
    const fields = [
      eventField(enveloped(message('u-1'))),
      { name: 'event', value: JSON.stringify([message('u-2'), {}]) },
      { name: 'event', value: JSON.stringify(message('u-3')) },
    ];
    expect((await put(factory, fields)).status).toBe(200);
    expect(await uuidsOf(factory)).toEqual(['u-1', 'u-2', 'u-3']);
    expect(await asideOf(factory)).toEqual([]);
  });

  test('one event alone has all other fields attached to it, whatever their order', async () => {
    const factory = await open();
    const run = testRun('u-1', { attachments: { a: { path: '/a', mimeType: 'text/plain' } } });
    const said = await put(factory, [eventField(run), { name: 'a', value: 'one' }], {});
    expect(said.status).toBe(200);
    expect(await uuidsOf(factory)).toEqual(['u-1']);
    const two = await put(factory, [eventField(message('u-2')), eventField(message('u-3'))], {});
    expect([two.status, await two.text()]).toEqual([400, expect.stringContaining('Multi-Event')]);
    expect((await put(factory, [], {})).status).toBe(400);
    expect(await uuidsOf(factory)).toEqual(['u-1']);
  });

  test('a part that no event uses is 400, and nothing of the form is kept', async () => {
    const factory = await open();
    const said = await put(factory, [{ name: 'stray', value: 'x' }, eventField(message('u-1'))]);
    expect([said.status, await said.text()]).toEqual([400, expect.stringContaining('"stray"')]);
    expect(await uuidsOf(factory)).toEqual([]);
    expect(factory.files('incoming').size).toBe(0);
  });

  test('ids of attachments that lead elsewhere make no names of files', async () => {
    const factory = await open();
    const attachments = { '../../x': { path: '/a', mimeType: 'text/plain' } };
    const run = testRun('../../../etc', { attachments });
    await put(factory, [{ name: 'p', value: 'one' }, eventField(enveloped(run, { '../../x': 'p' }))]);
    expect([...factory.files('umpire_data/instalog_attachments').values()]).toEqual(['one']);
    expect([...factory.files('umpire_data/instalog_attachments').keys()]).toEqual([
      expect.stringMatching(/^testlog\/sha256-[0-9a-f]{64}\/sha256-[0-9a-f]{64}$/),
    ]);
  });
});

describe('an event that is wrong', () => {
  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['no JSON', '{', /no JSON/],
    ['another thing', '7', /neither an object nor a list/],
    ['an unknown type', message('u', { type: 'station.x' }), /type/],
    ['an unknown key', message('u', { colour: 'red' }), /there is no `colour`/],
    ['another version', message('u', { apiVersion: '9' }), /apiVersion.*0\.21/],
    ['no uuid', message('', {}), /uuid/],
    ['a time that is text', message('u', { time: 'now' }), /time/],
    ['an empty list', testRun('u', { failures: [] }), /failures.*empty/],
    ['an empty dict', testRun('u', { parameters: {} }), /parameters.*empty/],
    ['a status of the test list', testRun('u', { status: 'PASSED' }), /status/],
    [
      'a group of unequal length',
      testRun('u', {
        parameters: {
          a: { type: 'argument', group: 'g', data: [{ numericValue: 1 }] },
          b: { type: 'measurement', group: 'g', data: [{ numericValue: 1 }, { numericValue: 2 }] },
        },
      }),
      /parameters\.b.*2 values/,
    ],
    [
      'attachments without serials',
      testRun('u', { serialNumbers: undefined, attachments: { a: { path: '/a', mimeType: 'a/b' } } }),
      /serialNumbers/,
    ],
    [
      'an attachment that did not come',
      testRun('u', { attachments: { a: { path: '/a', mimeType: 'a/b' } } }),
      /attach/,
    ],
    ['a name that is too long', message('u'.repeat(300)), /uuid/],
  ];
  test.for(wrong)('%s: it is put aside, and those around it are kept', async ([, event, why]) => {
    const factory = await open();
    const fields = [eventField(message('u-1')), eventField(event), eventField(message('u-2'))];
    const said = await put(factory, fields);
    expect([said.status, said.headers.get('maximum-bytes')]).toEqual([200, GIB_2]);
    expect(await uuidsOf(factory)).toEqual(['u-1', 'u-2']);
    expect((await put(factory, fields)).status).toBe(200);
    expect(await asideOf(factory)).toEqual([
      {
        reason: expect.stringMatching(why),
        event: typeof event === 'string' ? event : JSON.stringify(event),
        path: null,
        times: 2,
      },
    ]);
  });

  test('takes the attachments along that came for it, and a large one is in a file', async () => {
    const factory = await open();
    const large = `{${' '.repeat(100_000)}`;
    expect((await put(factory, [{ name: 'p', value: 'for it' }, eventField(large)])).status).toBe(200);
    const [aside] = await asideOf(factory);
    expect(aside).toMatchObject({ event: null, path: expect.stringMatching(/quarantine\/[0-9a-f]{64}\/event$/) });
    expect(readFileSync(join(factory.folder, aside?.path ?? ''), 'utf8')).toBe(large);
    expect([...factory.files('umpire_data/instalog_attachments').values()].toSorted()).toEqual(
      ['for it', large].toSorted(),
    );
  });

  test('of what the database cannot keep, only the culprit is put aside', async () => {
    const factory = await open();
    const fields = ['u-1', 'u-2', 'u-3'].map((uuid) => eventField(message(uuid)));
    const owner = new pg.Client({ connectionString: factory.database.ownerUrl });
    await owner.connect();
    await owner.query(
      `create function refuse() returns trigger language plpgsql as
       $$ begin if new.uuid = 'u-2' then raise exception 'no room' using errcode = '22000'; end if; return new; end $$;
       create trigger refuse before insert on testlog_events for each row execute function refuse()`,
    );
    await owner.end();
    expect((await put(factory, fields)).status).toBe(200);
    expect(await uuidsOf(factory)).toEqual(['u-1', 'u-3']);
    expect(await asideOf(factory)).toMatchObject([{ reason: expect.stringContaining('no room'), times: 1 }]);
  });
});

describe('what is kept of texts', () => {
  test('has no character that the database cannot hold', async () => {
    const factory = await open();
    await put(factory, [eventField(JSON.stringify(message('u', { _x: 1 })).replace('hello', 'a\\u0000b\\ud800'))]);
    const [row] = await rowsOf<{ message: string }>(
      factory,
      `select event ->> 'message' as message from testlog_events`,
    );
    expect(row?.message).toBe('a\uFFFDb\uFFFD');
  });

  test('messages below the level are accepted and dropped', async () => {
    const factory = await open({ messageLevel: 'WARNING' });
    const fields = ['INFO', 'WARNING', undefined].map((logLevel, n) => eventField(message(`u-${n}`, { logLevel })));
    expect((await put(factory, fields)).status).toBe(200);
    expect(await uuidsOf(factory)).toEqual(['u-1', 'u-2']);
    expect(factory.counted).toContain('testlog dropped 1');
  });
});

describe('events of older versions', () => {
  test('are brought to the form of today', async () => {
    const factory = await open();
    const { failures: _, parameters: __, ...rest } = testRun('u-01');
    const old = {
      ...rest,
      apiVersion: '0.1',
      status: 'FAILED',
      time: { __type__: 'datetime', value: '2017-01-05T13:01:45.489000Z' },
      startTime: '2017-01-05T13:01:00.000000',
      endTime: '2017-01-05T13:01:40Z',
      arguments: { speed: { value: { fast: true } } },
      series: { sweep: { keyUnit: 'MHz', valueUnit: 'dB', data: [{ key: 1, value: 10, status: 'PASSED' }] } },
      parameters: { volts: { value: 5, valueUnit: 'V' } },
    };
    await put(factory, [eventField(old), eventField(message('u-02', { apiVersion: '0.2' }))]);
    expect(await asideOf(factory)).toEqual([]);
    const [first] = await rowsOf<{ event: object }>(factory, `select event from testlog_events where uuid = 'u-01'`);
    expect(first?.event).toMatchObject({
      apiVersion: '0.21',
      status: 'FAIL',
      dutTime: 1_483_621_305.489,
      startTime: 1_483_621_260,
      arguments: { speed: { value: '{"fast":true}' } },
      parameters: {
        sweep_key: { type: 'argument', group: 'sweep', valueUnit: 'MHz', data: [{ numericValue: 1 }] },
        sweep_value: {
          type: 'measurement',
          group: 'sweep',
          valueUnit: 'dB',
          data: [{ numericValue: 10, status: 'PASS' }],
        },
        parameter_volts: { type: 'measurement', valueUnit: 'V', data: [{ numericValue: 5 }] },
      },
    });
  });
});

describe('a run of a test', () => {
  const events = [
    testRun('u-1', { status: 'STARTING', seq: 1, endTime: undefined, duration: undefined, failures: undefined }),
    testRun('u-2', { status: 'RUNNING', seq: 2, endTime: undefined, duration: undefined, failures: undefined }),
    testRun('u-3', { status: 'FAIL', seq: 3 }),
  ];
  const orders = [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
    [2, 0, 1],
  ];
  test.for(orders)('stands as its last event says, in whatever order they come: %j', async (order) => {
    const factory = await open();
    const sent = order.flatMap((n) => events.slice(n, n + 1));
    // The first alone, the others together.
    await put(factory, sent.slice(0, 1).map(eventField));
    await put(factory, sent.slice(1).map(eventField));
    expect(await rowsOf(factory, 'select uuid, status, test_name, duration_s, job_id from testlog_runs')).toEqual([
      { uuid: 'u-3', status: 'FAIL', test_name: 'generic_main:SMT.Probe', duration_s: 20, job_id: null },
    ]);
    expect(await uuidsOf(factory)).toEqual(['u-1', 'u-2', 'u-3']);
  });

  test('of a DUT whose serials belong to two is kept, is of neither, and holds none', async () => {
    const factory = await open();
    const only = (uuid: string, serialNumbers: object) => eventField(testRun(uuid, { testRunId: uuid, serialNumbers }));
    await put(factory, [only('u-1', { serial_number: 'A' }), only('u-2', { mlb_serial_number: 'B' })]);
    await put(factory, [only('u-3', { serial_number: 'A', mlb_serial_number: 'B' })]);
    expect(
      await rowsOf(factory, 'select uuid, device_id is null as "isOfNone" from testlog_events order by uuid'),
    ).toEqual([
      { uuid: 'u-1', isOfNone: false },
      { uuid: 'u-2', isOfNone: false },
      { uuid: 'u-3', isOfNone: true },
    ]);
    expect(await rowsOf(factory, 'select id from devices where held_reason is not null')).toEqual([]);
  });
});

test('1024 events come in one form, two uploaders send it at once, and each is there once', async () => {
  const factory = await open({ limits: { testlog: { batchEventsMax: 100 } } });
  const fields = Array.from({ length: 1024 }, (_, n) =>
    eventField(n === 500 ? '{"broken' : testRun(`u-${String(n).padStart(4, '0')}`, { testRunId: `run-${n % 300}` })),
  );
  const said = await Promise.all([
    put(factory, fields),
    put(factory, fields.toReversed(), { ...MULTI, 'node-id': 'b' }),
  ]);
  expect(said.map(({ status }) => status)).toEqual([200, 200]);
  expect(await uuidsOf(factory)).toHaveLength(1023);
  expect(await asideOf(factory)).toMatchObject([{ event: '{"broken', times: 2 }]);
  expect(await rowsOf(factory, 'select count(*)::int as runs from testlog_runs')).toEqual([{ runs: 300 }]);
});

test('beyond so many uploads at once it is 503, with Maximum-Bytes', async () => {
  const factory = await open({ limits: { testlog: { atOnceMax: 0 } } });
  const said = await put(factory, [eventField(message('u-1'))]);
  expect([said.status, said.headers.get('maximum-bytes'), said.headers.get('retry-after')]).toEqual([503, GIB_2, '1']);
  expect(await uuidsOf(factory)).toEqual([]);
});

test('registration codes are in nothing that is kept, shown or logged, good event or bad', async () => {
  const factory = await open();
  const codes = ['ab'.repeat(36), `=${'Q'.repeat(60)}`];
  const [hex = '', text = ''] = codes;
  const secret = 'keep-me-to-yourself';
  const named = { ubind_attribute: secret, 'vpd.rw.gbind_attribute': hex };
  const parameters = {
    ubind_attribute: { type: 'measurement', data: [{ textValue: secret }] },
    codes: { type: 'measurement', data: [{ textValue: `it is ${hex}` }, { serializedValue: JSON.stringify(named) }] },
    given: { type: 'argument', data: [{ serializedValue: `{'ubind_attribute': '${secret}'}` }] },
  };
  const failures = [{ code: 'X', details: `ActivateRegCode(${text}) failed, ubind_attribute=${secret}` }];
  const said = await put(factory, [
    eventField(message('u-message', { message: `codes ${codes.join(' ')}; "ubind_attribute": "${secret}"` })),
    eventField(testRun('u-run', { parameters, failures })),
    eventField({ ...testRun('u-bad'), status: hex, named }),
    eventField(`{"broken": "${hex}", "ubind_attribute": "${secret}"`),
  ]);
  expect(said.status).toBe(200);
  expect(factory.counted).toEqual(expect.arrayContaining(['testlog kept 2', 'testlog quarantined 2']));
  const kept = await rowsOf<{ all: string }>(
    factory,
    `select e::text as all from testlog_events e union all select r::text from testlog_runs r
     union all select q::text || convert_from(q.event, 'UTF8') from quarantined_events q`,
  );
  expect(kept).toHaveLength(5);
  const shown = JSON.stringify([kept, factory.logged, await said.text()]);
  for (const word of [...codes, secret]) expect(shown).not.toContain(word);
  // What is no secret is there.
  for (const word of ['u-message', 'ActivateRegCode(', 'broken', '<redacted 72 chars>']) expect(shown).toContain(word);
});

test('the results that a run becomes have no registration codes either', () => {
  const code = 'ab'.repeat(36);
  const parameters = {
    ubind_attribute: { type: 'measurement', data: [{ textValue: 'mine' }] },
    volts: { type: 'measurement', data: [{ numericValue: 5 }, { textValue: `${code} V` }] },
  };
  const event = readTestlog(testRun('u-run', { parameters, failures: [{ code: 'X', details: code }] }));
  if (event.kind === 'bad') throw new Error(event.why);
  const { run } = toToldEvent(event.event, {}, defaultLimits);
  expect(run?.result).toMatchObject({
    errorMessage: '<redacted 72 chars>',
    measurements: [{ value: '<redacted 4 chars>' }, { value: 5 }, { value: '<redacted 72 chars> V' }],
  });
});

test('a run with more measurements than a result may have bytes becomes one with as many as it may, and its word', () => {
  const data = Array.from({ length: 2000 }, () => ({ textValue: 'x'.repeat(2000) }));
  const attachments = { log: { path: 'a'.repeat(200), mimeType: 'text/plain' } };
  const event = readTestlog(
    testRun('u-large', { status: 'FAIL', parameters: { waveform: { type: 'measurement', data } }, attachments }),
  );
  if (event.kind === 'bad') throw new Error(event.why);
  const told = (sha256: string, bytes: number) =>
    toToldEvent(event.event, { log: { sha256, bytes, path: 'p' } }, defaultLimits).run?.result;
  const judged = told('', 0);
  expect(judged).toMatchObject({ status: 'FAILED' });
  expect(judged!.measurements.length).toBeGreaterThan(900);
  // As large as it was judged, when the attachments are there.
  expect(told('f'.repeat(64), Number.MAX_SAFE_INTEGER)!.measurements).toHaveLength(judged!.measurements.length);
});

test.each([
  [
    'a list',
    { parameters: { p: { type: 'measurement', data: Array(500_000).fill(0) } } },
    '`parameters.p.data.0` : expected',
  ],
  ['a list of objects', { failures: Array(300_000).fill({ more: 1 }) }, '`failures.0.code` : expected string'],
  [
    'a record',
    { serialNumbers: Object.fromEntries(names(200_000, 1)) },
    '`serialNumbers` has 200000 keys; at most 10000',
  ],
  ['the event itself', Object.fromEntries(names(200_000, 1)), 'keys; at most 10000 are read'],
  [
    'a few keys more',
    { parameters: { p: { type: 'argument', data: [{ textValue: 'x', more: 1 }] } } },
    'no `parameters.p.data.0.more`',
  ],
])('of %s full of what is wrong the first is told', (_what, wrong, words) => {
  const read = readTestlog(testRun('u-wrong', wrong));
  expect(read).toMatchObject({ kind: 'bad', why: expect.stringContaining(words) });
  expect(JSON.stringify(read).length).toBeLessThan(500);
});

test('a record may have ten thousand keys', () => {
  expect(readTestlog(testRun('u-many', { serialNumbers: Object.fromEntries(names(10_000, 'x')) })).kind).toBe('event');
});

function names<T>(count: number, value: T): [string, T][] {
  return Array.from({ length: count }, (_, index) => [`k${index}`, value]);
}
