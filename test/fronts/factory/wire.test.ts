/** The rules of the wire, over bare sockets: what real clients send, byte for byte, and what they need to see. */
import { connect, type Socket } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeResponse, encodeCall, encodeResponse } from '../../../src/wire/xml-rpc.ts';
import { openFactory, type TestFactory } from './open-factory.ts';

let factory: TestFactory;
beforeAll(async () => {
  factory = await openFactory({ limits: { factory: { stallMs: 300 }, http: { checkMs: 50 } } });
  const resources = join(factory.folder, 'resources');
  mkdirSync(resources);
  writeFileSync(join(resources, 'toolkit.abc.gz'), '0123456789');
  writeFileSync(join(factory.folder, 'secret'), 'secret');
});
afterAll(() => factory.close());

/** Sends it, and reads until the other side closes. */
const exchange = (...parts: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = '';
    const socket = connect({ port: factory.door.port, host: '127.0.0.1' });
    socket.setEncoding('latin1').on('data', (text: string) => (said += text));
    socket.on('error', reject);
    socket.on('close', () => resolve(said));
    for (const part of parts) socket.write(part);
  });

const until = (socket: Socket, pattern: RegExp): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = '';
    const look = (text: string): void => {
      said += text;
      if (!pattern.test(said)) return;
      socket.off('data', look);
      resolve(said);
    };
    socket.on('data', look);
    socket.once('close', () => reject(new Error(`closed after ${JSON.stringify(said)}`)));
  });

const post = (body: string, { path = '/RPC2', headers = '' } = {}): string =>
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: text/xml\r\n${headers}` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const answerIn = (said: string) => decodeResponse(said.slice(said.indexOf('\r\n\r\n') + 4));

test('answers with status 200, type, length and date', async () => {
  const said = await exchange(post(encodeCall('Ping', [])));
  const body = encodeResponse({ version: 3, project: null });
  expect(said).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(said).toMatch(/\r\nContent-Type: text\/xml; charset=utf-8\r\n/);
  expect(said).toMatch(new RegExp(`\\r\\nContent-Length: ${body.length}\\r\\n`));
  expect(said).not.toMatch(/transfer-encoding|content-encoding/i);
  expect(said.endsWith(`\r\n\r\n${body}`)).toBe(true);
});

test('every answer has a Date that is right to the second, of whatever status', async () => {
  const asked = [
    'HEAD / HTTP/1.1\r\nHost: x',
    'HEAD / HTTP/1.0\r\nA: b',
    'HEAD /RPC2 HTTP/1.1\r\nHost: 127.0.0.1',
    'GET / HTTP/1.1\r\nHost: 127.0.0.1',
    'GET /nothing HTTP/1.1\r\nHost: 127.0.0.1',
    'GET /resourcemap HTTP/1.1\r\nHost: 127.0.0.1',
    'PUT /RPC2 HTTP/1.1\r\nHost: 127.0.0.1',
    'HEAD /res/toolkit.abc.gz HTTP/1.1\r\nHost: 127.0.0.1',
    'NONSENSE',
  ];
  const statuses: number[] = [];
  for (const head of asked) {
    const before = Math.floor(Date.now() / 1000) - 1;
    const said = await exchange(`${head}\r\nConnection: close\r\n\r\n`);
    const date = Date.parse(/\r\nDate: (.*GMT)\r\n/.exec(said)?.[1] ?? '') / 1000;
    expect(date, said).toBeGreaterThanOrEqual(before);
    expect(date).toBeLessThanOrEqual(Date.now() / 1000);
    statuses.push(Number(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1]));
  }
  expect(statuses).toEqual([421, 200, 200, 405, 404, 404, 501, 200, 400]);
  expect(await exchange('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')).toMatch(
    /\r\nAllow: POST\r\n/,
  );
});

test('takes calls of HTTP/1.0, with a Host without port and without one, and closes', async () => {
  const body = encodeCall('Ping', []);
  for (const host of ['Host: 127.0.0.1\r\n', 'Host: localhost\r\n', '']) {
    const said = await exchange(
      `POST / HTTP/1.0\r\nUser-Agent: Twisted/XMLRPClib\r\n${host}Content-type: text/xml; charset=utf-8\r\nContent-length: ${body.length}\r\n\r\n${body}`,
    );
    expect(answerIn(said)).toEqual({ kind: 'value', value: { version: 3, project: null } });
    expect(said).toMatch(/\r\nContent-Length: /);
  }
});

test('keeps a connection of HTTP/1.1 for the next call', async () => {
  const socket = connect({ port: factory.door.port, host: '127.0.0.1' }).setEncoding('latin1');
  const body = encodeCall('Ping', []);
  for (let times = 0; times < 3; times += 1) {
    const answer = until(socket, /<\/methodResponse>/);
    socket.write(`POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    expect(await answer).toContain('Connection: keep-alive');
  }
  socket.destroy();
});

test('honours Expect: 100-continue', async () => {
  const socket = connect({ port: factory.door.port, host: '127.0.0.1' }).setEncoding('latin1');
  const body = encodeCall('Ping', []);
  const goesOn = until(socket, /\r\n\r\n/);
  socket.write(`POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`);
  expect(await goesOn).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  const answer = until(socket, /<\/methodResponse>/);
  socket.write(body);
  expect(await answer).toContain('200 OK');
  socket.destroy();
});

test('takes chunked bodies, and bytes as they drip', async () => {
  const body = encodeCall('UploadEvent', ['chunked', Buffer.from('drip')]);
  const chunks = Array.from(body)
    .map((letter) => `1\r\n${letter}\r\n`)
    .join('');
  const said = await exchange(
    `POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
  );
  expect(answerIn(said)).toEqual({ kind: 'value', value: true });
  expect([...factory.files('umpire_data/eventlog').values()]).toContain('drip');
});

const fault = (code: number, text: unknown) => ({ kind: 'fault', code, text });

test.for<[string, string, ReturnType<typeof fault>]>([
  ['nothing', '', fault(8002, expect.stringMatching(/^Can't deserialize input/))],
  ['no XML', 'hello', fault(8002, expect.stringMatching(/^Can't deserialize input/))],
  [
    'half a call',
    '<methodCall><methodName>Ping</methodName>',
    fault(8002, expect.stringMatching(/^Can't deserialize/)),
  ],
  ['a bomb', '<!DOCTYPE a [<!ENTITY b "c">]><methodCall/>', fault(8002, expect.stringMatching(/document type/))],
  ['an answer', encodeResponse(true), fault(8002, expect.stringMatching(/^Can't deserialize/))],
  ['too many words', encodeCall('Ping', ['x'.repeat(1024 * 1024)]), fault(8002, expect.stringMatching(/more than/))],
  ['a method that is not there', encodeCall('system.multicall', []), fault(-32601, 'system.multicall')],
])('says in a fault what is wrong with %s', async ([, body, wanted]) => {
  const said = await exchange(post(body));
  expect(said).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answerIn(said)).toEqual(wanted);
});

test('reads untyped values, long integers and nil in all their forms', async () => {
  const value = (inside: string) => `<param><value>${inside}</value></param>`;
  const call = (...params: readonly string[]) =>
    `<?xml version='1.0'?><methodCall><methodName>UploadReport</methodName><params>${params.join('')}</params></methodCall>`;
  const blob = value('<base64>\ncmVw\nb3J0\n</base64>');
  for (const body of [
    call(value('SN-untyped'), blob, value('<nil/>'), value('SMT')),
    call(value('<i8>12345678901</i8>'), blob, value('<ex:nil/>')),
    call(value('<string>SN</string>'), value('<ex:base64>cmVwb3J0</ex:base64>'), value(''), value('<i4>1</i4>')),
  ])
    expect(answerIn(await exchange(post(body)))).toEqual({ kind: 'value', value: true });
  expect((await factory.rows()).map(({ serial, stage, report_name }) => [serial, stage, report_name])).toEqual(
    expect.arrayContaining([
      ['SN-untyped', 'SMT', null],
      ['12345678901', null, null],
      ['SN', '1', ''],
    ]),
  );
});

test('reads what the client after a wipe sends: no <value>, nothing escaped', async () => {
  const member = (name: string, value: string) => `<member><name>${name}</name><value>${value}</value></member>`;
  const body =
    '<methodCall><methodName>NotifyEvent</methodName><params><param><struct>' +
    `${member('hwid', 'LINK A&B C2C')}${member('serial_number', 'A1234')}${member('serials.mlb_serial_number', '')}` +
    '</struct></param><param><value><string>Finalize</string></value></param></params></methodCall>';
  const said = await exchange(post(body, { path: '/' }));
  expect(answerIn(said)).toEqual({ kind: 'value', value: {} });
});

test('echoes the Host with its port in what it names', async () => {
  writeFileSync(
    join(factory.folder, 'active_umpire.json'),
    JSON.stringify({ bundles: [{ id: 'b1', note: 'a note', payloads: 'payload.0f.json' }], active_bundle_id: 'b1' }),
  );
  const ask = async (method: string, host: string, ...params: string[]) => {
    const body = encodeCall(method, params);
    return answerIn(
      await exchange(
        `POST / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      ),
    );
  };
  expect(await ask('GetCROSPayloadURL', '10.3.0.1:18080', '')).toEqual({
    kind: 'value',
    value: 'http://10.3.0.1:18080/res/payload.0f.json',
  });
  expect(await ask('GetFactoryLogPort', '10.3.0.1:18080')).toEqual({ kind: 'value', value: 18_084 });
  expect(await ask('GetFactoryLogPort', '10.3.0.1')).toEqual({ kind: 'value', value: 8084 });
});

test('tells the map of resources in five lines', async () => {
  for (const path of ['/webapps/resourcemap', '/resourcemap', '/webapps/resourcemap/']) {
    const response = await fetch(factory.url + path);
    expect([response.status, await response.text()]).toEqual([
      200,
      'id: b1\nnote: a note\n__token__: 00000001\nshop_floor_handler: /umpire\npayloads: payload.0f.json\n',
    ]);
  }
  expect((await fetch(`${factory.url}/resourcemap`, { method: 'POST' })).status).toBe(400);
  expect((await fetch(`${factory.url}/webapps/other`)).status).toBe(405);
});

test('serves files whole and in parts, and none from elsewhere', async () => {
  const get = async (path: string, range?: string, method = 'GET') => {
    const response = await fetch(factory.url + path, { method, headers: range === undefined ? {} : { range } });
    return [response.status, response.headers.get('content-range'), await response.text()];
  };
  expect(await get('/res/toolkit.abc.gz')).toEqual([200, null, '0123456789']);
  expect(await get('/res/toolkit.abc.gz', 'bytes=4-')).toEqual([206, 'bytes 4-9/10', '456789']);
  expect(await get('/res/toolkit.abc.gz', 'bytes=2-3')).toEqual([206, 'bytes 2-3/10', '23']);
  expect(await get('/res/toolkit.abc.gz', 'bytes=-2')).toEqual([206, 'bytes 8-9/10', '89']);
  expect((await get('/res/toolkit.abc.gz', 'bytes=10-')).slice(0, 2)).toEqual([416, 'bytes */10']);
  expect(await get('/res/toolkit.abc.gz', undefined, 'HEAD')).toEqual([200, null, '']);
  expect(await get('/res/')).toEqual([200, null, 'toolkit.abc.gz\n']);
  for (const path of ['/res/nothing', '/res/%2e%2e%2fsecret', '/res/..%2fsecret', '/res/%00', '/res/%zz', '/secret'])
    expect((await get(path))[0], path).toBe(404);
  expect(
    (await exchange('GET /res/../secret HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')).slice(9, 12),
  ).toBe('404');
});

test('ends what stalls in the middle, and keeps nothing of it', async () => {
  const body = encodeCall('UploadReport', ['STALLED', new Uint8Array(500_000)]);
  const said = await exchange(post(body).slice(0, 300_000));
  expect(said).toBe('');
  await expect.poll(() => factory.files('incoming').size).toBe(0);
  expect((await factory.rows()).filter(({ serial }) => serial === 'STALLED')).toEqual([]);
});

test('refuses pages and names of others, which reach DUTs as little as people', async () => {
  const response = await factory.post(encodeCall('Ping', []), '/', { origin: 'http://evil.example' });
  expect(response.status).toBe(403);
});
