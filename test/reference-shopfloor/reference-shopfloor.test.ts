import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/bridge/shopfloor-client.ts';
import { createShopfloorClient } from '../../src/bridge/shopfloor-client.ts';
import type { Clock } from '../../src/core/clock.ts';
import { checkJournal } from '../../src/reference-shopfloor/check-journal.ts';
import type { ControlCommand } from '../../src/reference-shopfloor/control.ts';
import { readJournal } from '../../src/reference-shopfloor/journal.ts';
import type { ReferenceShopfloorOptions } from '../../src/reference-shopfloor/reference-shopfloor.ts';
import { startReferenceShopfloor } from '../../src/reference-shopfloor/reference-shopfloor.ts';
import type { XmlRpcValue } from '../../src/wire/xml-rpc.ts';
import { encodeCall, encodeResponse } from '../../src/wire/xml-rpc.ts';
import { wallClock } from '../support/wall-clock.ts';

const UNIT = { 'serials.mlb_serial_number': 'C123' };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: Partial<ReferenceShopfloorOptions> = {}) {
  const shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null, ...options });
  cleanups.push(() => shopfloor.stop());
  return { ...shopfloor, call: callerOf(shopfloor.url) };
}

/** Calls like the bridge; without a key given, each call has a new one. */
function callerOf(url: string) {
  const client = createShopfloorClient({ url, clock: wallClock });
  cleanups.push(() => client.close());
  let keys = 0;
  return (method: string, params: readonly XmlRpcValue[], key?: string): Promise<Outcome> => {
    keys += 1;
    return client.call(method, encodeCall(method, params), { idempotencyKey: key ?? `auto-${keys}` });
  };
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shopfloor-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  return folder;
}

async function control(url: string, command: ControlCommand): Promise<Response> {
  return fetch(`${url}control`, { method: 'POST', body: JSON.stringify(command) });
}

/** One request on a bare socket, and all that comes back until the peer closes. */
async function raw(port: number, request: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(request);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe('the seven methods', () => {
  test('answer a unit on its way as the sample service does, with a serial given at FAT', async () => {
    const { call, journal } = await start();
    expect(await call('GetVersion', [])).toEqual({ kind: 'answered', value: '1.0' });
    expect(await call('NotifyStart', [UNIT, 'SMT'])).toEqual({ kind: 'answered', value: {} });
    expect(await call('UpdateTestResult', [UNIT, 'SMT.Probe', 'PASSED', null])).toEqual({
      kind: 'answered',
      value: {},
    });
    expect(await call('UpdateTestResult', [UNIT, 'SMT.Probe2', 'SKIPPED'])).toEqual({ kind: 'answered', value: {} });
    expect(await call('NotifyEnd', [UNIT, 'SMT'])).toEqual({ kind: 'answered', value: {} });
    expect(await call('NotifyStart', [UNIT, 'FAT'])).toEqual({
      kind: 'answered',
      value: { 'serials.serial_number': 'SN-C123' },
    });
    const named = { 'serials.serial_number': 'SN-C123' };
    expect(await call('NotifyEnd', [named, 'FAT'])).toEqual({ kind: 'answered', value: {} });
    expect(await call('GetDeviceInfo', [{}])).toEqual({
      kind: 'answered',
      value: { 'vpd.ro.region': 'us', 'vpd.rw.ubind_attribute': '', 'vpd.rw.gbind_attribute': '' },
    });
    expect(await call('ActivateRegCode', ['secret-u', 'secret-g', 'HW'])).toEqual({ kind: 'answered', value: {} });
    expect(await call('NotifyEvent', [{ serial_number: 'SN-C123' }, 'Finalize'])).toEqual({
      kind: 'answered',
      value: {},
    });

    const lines = await journal.lines();
    expect(lines.map(({ method, device }) => `${method} ${device}`)).toEqual([
      ...['GetVersion null', 'NotifyStart C123', 'UpdateTestResult C123', 'UpdateTestResult C123', 'NotifyEnd C123'],
      ...['NotifyStart C123', 'NotifyEnd C123', 'GetDeviceInfo null', 'ActivateRegCode null', 'NotifyEvent C123'],
    ]);
    expect(JSON.stringify(lines)).not.toContain('secret');
    expect(checkJournal(lines)).toMatchObject({
      calls: 10,
      applied: 10,
      devices: 1,
      orderViolations: [],
      openAttempts: [],
    });
  });

  test.each<[string, XmlRpcValue[], number, RegExp]>([
    ['system.multicall', [], -32601, /no method system\.multicall/],
    ['GetVersion', [1], -32602, /takes \(\), but 1 arguments/],
    ['NotifyStart', [UNIT], -32602, /takes \(data, station\), but 1/],
    ['NotifyStart', [UNIT, ''], -32602, /station must be a non-empty string/],
    ['NotifyStart', ['C123', 'SMT'], -32602, /data must be a struct/],
    ['NotifyStart', [{}, 'SMT'], -32602, /names no device/],
    ['NotifyStart', [{ ...UNIT, 'vpd.rw.x': 'y' }, 'SMT'], -32602, /vpd\.rw\.x is no key/],
    ['NotifyEnd', [{ ...UNIT, 'factory.deep': {} }, 'SMT'], -32602, /factory\.deep is not a scalar/],
    ['NotifyEnd', [{ 'serials.mlb_serial_number': 7 }, 'SMT'], -32602, /is not a string/],
    ['NotifyEvent', [UNIT, 'Ready'], -32602, /event must be Finalize or Refinalize/],
    ['UpdateTestResult', [UNIT, 'SMT.a', 'PASS'], -32602, /status must be one of PASSED, FAILED/],
    ['UpdateTestResult', [UNIT, ['SMT.a'], 'PASSED'], -32602, /test_id must be/],
    ['UpdateTestResult', [UNIT, 'SMT.a', 'FAILED', 'no light'], -32602, /details must be a struct/],
    ['ActivateRegCode', ['u', null, 'HW'], -32602, /must be strings/],
  ])('%s%j is a fault, journalled and not applied', async (method, params, code, text) => {
    const { call, journal } = await start();
    expect(await call(method, params)).toEqual({ kind: 'fault', code, text: expect.stringMatching(text) });
    expect(await journal.lines()).toMatchObject([{ seq: 1, outcome: 'fault', faultCode: code }]);
  });

  test('unknown stations are welcome', async () => {
    const { call } = await start();
    expect((await call('NotifyStart', [UNIT, 'FATLightD1'])).kind).toBe('answered');
  });

  test('replies can be others: by method, by station, and no serial', async () => {
    const replies = {
      version: '3.0.1',
      deviceData: { UpdateTestResult: { action: 're-run' }, NotifyStart: { 'factory.line': 'L4' } },
      atStart: { FAT: { 'vpd.ro.region': 'tw' } },
      assignSerialAt: null,
    };
    const { call } = await start({ replies });
    expect(await call('GetVersion', [])).toMatchObject({ value: '3.0.1' });
    expect(await call('NotifyStart', [UNIT, 'FAT'])).toMatchObject({
      value: { 'factory.line': 'L4', 'vpd.ro.region': 'tw' },
    });
    expect(await call('UpdateTestResult', [UNIT, 'a', 'FAILED', null])).toMatchObject({ value: { action: 're-run' } });
  });
});

describe('repeats', () => {
  test('a repeated key has no second effect and the same answer', async () => {
    const { call, journal } = await start();
    const first = await call('NotifyStart', [UNIT, 'FAT'], 'key-1');
    expect(await call('NotifyStart', [UNIT, 'FAT'], 'key-1')).toEqual(first);
    expect((await journal.lines()).map(({ outcome }) => outcome)).toEqual(['applied', 'repeated']);
  });

  test('a repeat that comes while the first is worked on waits for it', async () => {
    const { call, journal } = await start({ faults: [{ kind: 'slow', ms: 50, next: 1 }] });
    const answers = await Promise.all([1, 2, 3].map(() => call('NotifyStart', [UNIT, 'SMT'], 'key-1')));
    expect(answers.map(({ kind }) => kind)).toEqual(['answered', 'answered', 'answered']);
    expect((await journal.lines()).map(({ outcome }) => outcome)).toEqual(['applied', 'repeated', 'repeated']);
  });

  test('a key with another body is a fault', async () => {
    const { call, journal } = await start();
    await call('NotifyStart', [UNIT, 'SMT'], 'key-1');
    expect(await call('NotifyEnd', [UNIT, 'SMT'], 'key-1')).toMatchObject({ kind: 'fault' });
    const { duplicates } = checkJournal(await journal.lines());
    expect(duplicates).toMatchObject([{ key: 'key-1', sameBody: false, timesApplied: 1 }]);
  });

  test('a service without a memory applies it again', async () => {
    const { call, journal } = await start({ remembersKeys: false });
    await call('NotifyStart', [UNIT, 'SMT'], 'key-1');
    await call('NotifyStart', [UNIT, 'SMT'], 'key-1');
    expect(checkJournal(await journal.lines()).duplicates).toMatchObject([{ sameBody: true, timesApplied: 2 }]);
  });
});

describe('faults on demand', () => {
  test('fault: answered, not applied, and the same key is well afterwards', async () => {
    const { call, journal } = await start({ faults: [{ kind: 'fault', code: -7, text: 'MES: not routed', next: 1 }] });
    expect(await call('NotifyStart', [UNIT, 'SMT'], 'k')).toEqual({ kind: 'fault', code: -7, text: 'MES: not routed' });
    expect((await call('NotifyStart', [UNIT, 'SMT'], 'k')).kind).toBe('answered');
    expect((await journal.lines()).map(({ outcome }) => outcome)).toEqual(['fault', 'applied']);
  });

  test('drop after applying, and garbage: ambiguous, applied, the repeat answered', async () => {
    const { call, journal } = await start({
      faults: [
        { kind: 'drop-after-applying', method: 'NotifyStart', next: 1 },
        { kind: 'garbage', method: 'NotifyEnd', next: 1 },
      ],
    });
    for (const method of ['NotifyStart', 'NotifyEnd']) {
      expect((await call(method, [UNIT, 'SMT'], method)).kind).toBe('ambiguous');
      expect((await call(method, [UNIT, 'SMT'], method)).kind).toBe('answered');
    }
    const lines = await journal.lines();
    expect(lines.map(({ outcome }) => outcome)).toEqual(['applied', 'repeated', 'applied', 'repeated']);
    expect(checkJournal(lines).orderViolations).toEqual([]);
  });

  test('garbage can be any text, such as an answer of nil', async () => {
    const { call } = await start({ faults: [{ kind: 'garbage', text: encodeResponse(null) }] });
    expect(await call('NotifyStart', [UNIT, 'SMT'])).toMatchObject({ kind: 'fault', text: 'service returned no data' });
  });

  test('refuse: reset and not applied; with a time, nobody listens for so long', async () => {
    const refusing = 12_345;
    const again = Promise.withResolvers<undefined>();
    const sleep: Clock['sleep'] = (ms, signal) => (ms === refusing ? again.promise : wallClock.sleep(ms, signal));
    const { call, journal, url } = await start({
      clock: { ...wallClock, sleep },
      faults: [{ kind: 'refuse', next: 1 }],
    });
    expect((await call('NotifyStart', [UNIT, 'SMT'])).kind).toBe('ambiguous');
    expect(await journal.lines()).toEqual([]);

    expect((await control(url, { refuseForMs: refusing })).status).toBe(200);
    let outcome = await call('NotifyStart', [UNIT, 'SMT']);
    // The answer to the command may be here a moment before the listener is closed.
    while (outcome.kind !== 'refused') outcome = await call('NotifyStart', [UNIT, 'SMT']);
    again.resolve(undefined);
    while (outcome.kind === 'refused') outcome = await call('NotifyStart', [UNIT, 'SMT']);
    expect(outcome.kind).toBe('answered');
  });

  test('rules meet by method, station (of the last start too) and device', async () => {
    const { call } = await start({
      faults: [
        { kind: 'fault', text: 'a', method: 'UpdateTestResult', station: 'FAT' },
        { kind: 'fault', text: 'b', device: 'C9' },
      ],
    });
    const result: XmlRpcValue[] = [UNIT, 'x', 'PASSED', null];
    await call('NotifyStart', [UNIT, 'SMT']);
    expect((await call('UpdateTestResult', result)).kind).toBe('answered');
    await call('NotifyStart', [UNIT, 'FAT']);
    expect(await call('UpdateTestResult', result)).toMatchObject({ kind: 'fault', text: 'a' });
    expect(await call('NotifyEnd', [{ 'serials.mlb_serial_number': 'C9' }, 'FAT'])).toMatchObject({ text: 'b' });
  });

  test('the same seed gives the same faults', async () => {
    const run = async (seed: number): Promise<string> => {
      const { call } = await start({ seed, faults: [{ kind: 'fault', text: 'x', probability: 0.5 }] });
      let kinds = '';
      for (let i = 0; i < 20; i += 1) kinds += (await call('GetVersion', [])).kind.slice(0, 1);
      return kinds;
    };
    const first = await run(7);
    expect(first).toMatch(/^(?=.*a)(?=.*f)/);
    expect(await run(7)).toBe(first);
    expect(await run(8)).not.toBe(first);
  });

  test('a slow call does not hold up the stop, and is not applied', async () => {
    const slowed = Promise.withResolvers<undefined>();
    const sleep: Clock['sleep'] = (ms, signal) => {
      if (ms === 3_600_000) slowed.resolve(undefined);
      return wallClock.sleep(ms, signal);
    };
    const { call, stop, journal } = await start({
      clock: { ...wallClock, sleep },
      faults: [{ kind: 'slow', ms: 3_600_000 }],
    });
    const outcome = call('NotifyStart', [UNIT, 'SMT']);
    await slowed.promise;
    await stop();
    expect((await outcome).kind).toBe('ambiguous');
    expect(await journal.lines()).toEqual([]);
  });
});

describe('the control door', () => {
  test('changes faults and replies, and shows the journal and its check', async () => {
    const { call, url } = await start();
    expect(
      (await control(url, { faults: [{ kind: 'fault', text: 'no', next: 1 }], replies: { version: '2' } })).status,
    ).toBe(200);
    expect((await call('GetVersion', [])).kind).toBe('fault');
    expect(await call('GetVersion', [])).toEqual({ kind: 'answered', value: '2' });
    const jsonl = await (await fetch(`${url}control/journal`)).text();
    expect(
      jsonl
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).outcome),
    ).toEqual(['fault', 'applied']);
    expect(await (await fetch(`${url}control/check`)).json()).toMatchObject({ calls: 2, orderViolations: [] });
    expect(await (await fetch(`${url}control`)).json()).toMatchObject({ faults: [], replies: { version: '2' } });
  });

  test('refuses what it does not understand, and web pages', async () => {
    const { url } = await start();
    const post = (body: string, headers = {}): Promise<Response> =>
      fetch(`${url}control`, { method: 'POST', body, headers });
    expect((await post('{"faults":[{"kind":"explode"}]}')).status).toBe(400);
    expect((await post('{"fault":[]}')).status).toBe(400);
    expect((await post('nonsense')).status).toBe(400);
    expect((await post('{}', { Origin: 'https://evil.example' })).status).toBe(403);
    expect((await fetch(`${url}control/x`)).status).toBe(404);
    const rebound = await raw(
      Number(new URL(url).port),
      'GET /control HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
    );
    expect(rebound).toMatch(/^HTTP\/1\.1 403 /);
  });
});

describe('the wire', () => {
  const body = encodeCall('GetVersion', []);
  const length = `Content-Length: ${body.length}\r\n`;
  const version = encodeResponse('1.0');

  test.each([
    [
      'HTTP/1.0 as upstream sends it',
      `POST / HTTP/1.0\r\nHost: mes\r\nContent-type: text/xml; charset=utf-8\r\n${length}\r\n${body}`,
    ],
    ['/RPC2, no Host', `POST /RPC2 HTTP/1.1\r\nConnection: close\r\n${length}\r\n${body}`],
    ['a trailing slash', `POST /RPC2/ HTTP/1.1\r\nHost: mes\r\nConnection: close\r\n${length}\r\n${body}`],
    [
      'chunks',
      `POST / HTTP/1.1\r\nHost: mes\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `5\r\n${body.slice(0, 5)}\r\n${(body.length - 5).toString(16)}\r\n${body.slice(5)}\r\n0\r\n\r\n`,
    ],
  ])('reads %s', async (_name, request) => {
    const { port } = await start();
    const answer = await raw(port, request);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toContain(`Content-Length: ${version.length}\r\n`);
    expect(answer.endsWith(version)).toBe(true);
  });

  test.each([
    ['GET', `GET / HTTP/1.0\r\n\r\n`, /^HTTP\/1\.1 405 [^]*Allow: POST/],
    ['another path', `POST /x HTTP/1.0\r\n${length}\r\n${body}`, /^HTTP\/1\.1 404 /],
    ['too large', `POST / HTTP/1.0\r\nContent-Length: 2000000\r\n\r\n${'x'.repeat(2_000_000)}`, /^HTTP\/1\.1 413 /],
    ['no XML', `POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc`, /200 OK[^]*-32700[^]*the call cannot be read/],
    ['a DOCTYPE', `POST / HTTP/1.0\r\nContent-Length: 13\r\n\r\n<!DOCTYPE a>x`, /-32700[^]*document type/],
  ])('refuses %s', async (_name, request, answer) => {
    const { port, journal } = await start();
    expect(await raw(port, request)).toMatch(answer);
    expect(await journal.lines()).toEqual([]);
  });
});

describe('the journal on disk', () => {
  test('survives kill -9 between calls; keys and serials are known again', { timeout: 60_000 }, async () => {
    const path = join(await newFolder(), 'journal.jsonl');
    const first = await startProcess(path, 0);
    const call = callerOf(`http://127.0.0.1:${first.port}/`);
    await call('NotifyStart', [UNIT, 'FAT'], 'k1');
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    expect((await call('NotifyEnd', [UNIT, 'FAT'], 'k2')).kind).toMatch(/refused|ambiguous/);

    const second = await startProcess(path, first.port);
    expect(await call('NotifyStart', [UNIT, 'FAT'], 'k1')).toEqual({
      kind: 'answered',
      value: { 'serials.serial_number': 'SN-C123' },
    });
    expect((await call('NotifyEnd', [{ 'serials.serial_number': 'SN-C123' }, 'FAT'], 'k2')).kind).toBe('answered');
    second.child.kill('SIGTERM');
    expect(await once(second.child, 'exit')).toEqual([0, null]);

    const lines = await readJournal(path);
    expect(lines.map(({ seq, outcome, device }) => [seq, outcome, device])).toEqual([
      [1, 'applied', 'C123'],
      [2, 'repeated', 'C123'],
      [3, 'applied', 'C123'],
    ]);
    expect(checkJournal(lines)).toMatchObject({ orderViolations: [], gapsAfter: [], openAttempts: [] });
  });

  test('calls at once share the disk and keep their numbers', async () => {
    const path = join(await newFolder(), 'journal.jsonl');
    const { call, stop } = await start({ journalPath: path });
    const starts = Array.from({ length: 50 }, (_, i) => call('NotifyStart', [{ 'serials.x': `U${i}` }, 'SMT']));
    expect((await Promise.all(starts)).every(({ kind }) => kind === 'answered')).toBe(true);
    await stop();
    expect(checkJournal(await readJournal(path))).toMatchObject({ applied: 50, devices: 50, gapsAfter: [] });
  });

  test('a last line that a crash cut is dropped; anything else that is no journal is refused and kept', async () => {
    const path = join(await newFolder(), 'journal.jsonl');
    const { call, stop } = await start({ journalPath: path });
    await call('NotifyStart', [UNIT, 'SMT']);
    await stop();
    const whole = await readFile(path, 'utf8');
    await appendFile(path, whole.slice(0, 40));
    const again = await start({ journalPath: path });
    await again.call('NotifyEnd', [UNIT, 'SMT'], 'other');
    await again.stop();
    expect((await readJournal(path)).map(({ seq, method }) => `${seq} ${method}`)).toEqual([
      '1 NotifyStart',
      '2 NotifyEnd',
    ]);

    const foreign = join(await newFolder(), 'notes.txt');
    for (const text of ['my notes', 'my notes\n', '{"a":1}\n']) {
      await writeFile(foreign, text);
      await expect(start({ journalPath: foreign })).rejects.toThrow(/notes\.txt:1 is no line of a shopfloor journal/);
      expect(await readFile(foreign, 'utf8')).toBe(text);
    }
  });

  test('a port that is taken is said so', async () => {
    const { port } = await start();
    await expect(start({ port })).rejects.toThrow(/EADDRINUSE/);
  });
});

async function startProcess(journalPath: string, port: number) {
  const script = join(import.meta.dirname, 'shopfloor-process.ts');
  const child = spawn(process.execPath, [script, journalPath, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, port: Number(line.toString()) };
}
