/** The bridge's client in JSON-RPC, against a server of somebody else's and against peers of 1.0. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { JSONRPCErrorException, JSONRPCServer } from 'json-rpc-2.0';
import { afterEach, describe, expect, test } from 'vitest';
import { createShopfloorClient } from '../../src/bridge/shopfloor-client.ts';
import { startReferenceShopfloor } from '../../src/reference-shopfloor/reference-shopfloor.ts';
import { encodeCall, type XmlRpcValue } from '../../src/wire/xml-rpc.ts';
import { wallClock } from '../support/wall-clock.ts';

const UNIT = { 'serials.mlb_serial_number': 'C123', 'factory.n': 7, 'factory.x': 1.5, 'factory.gone': null };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** @param answer from a body to a status and a body. */
async function serving(answer: (body: string) => Promise<readonly [number, string]>) {
  const bodies: string[] = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      bodies.push(body);
      void answer(body).then(([status, said]) => response.writeHead(status).end(said));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, bodies };
}

function callerOf(url: string) {
  const client = createShopfloorClient({ url, clock: wallClock });
  cleanups.push(() => client.close());
  return (method: string, params: readonly XmlRpcValue[] = [], key = 'key-1') =>
    client.call(method, encodeCall(method, params), { idempotencyKey: key });
}

async function realServer() {
  const server = new JSONRPCServer({ errorListener: () => undefined });
  server.addMethod('GetVersion', () => '3.0.1');
  server.addMethod('NotifyStart', ([data, station]: [Record<string, unknown>, string]) => ({
    ...data,
    'factory.station': station,
  }));
  server.addMethod('UpdateTestResult', (args: unknown[]) => ({ 'factory.args': JSON.stringify(args) }));
  server.addMethod('NotifyEnd', () => null);
  server.addMethod('NotifyEvent', () => {
    throw new JSONRPCErrorException('MES: not routed', -1001, 'unit C123');
  });
  return serving(async (body) => [200, JSON.stringify(await server.receiveJSON(body))]);
}

describe('a JSON-RPC 2.0 server', () => {
  test('gets positional arguments, nil and numbers as they are, and the key as the id', async () => {
    const { url, bodies } = await realServer();
    const call = callerOf(`jsonrpc:${url}`);
    expect(await call('GetVersion')).toEqual({ kind: 'answered', value: '3.0.1' });
    expect(await call('NotifyStart', [UNIT, 'SMT'])).toEqual({
      kind: 'answered',
      value: { ...UNIT, 'factory.station': 'SMT' },
    });
    expect(await call('UpdateTestResult', [UNIT, 'SMT.a', 'PASSED', null])).toEqual({
      kind: 'answered',
      value: { 'factory.args': JSON.stringify([UNIT, 'SMT.a', 'PASSED', null]) },
    });
    expect(JSON.parse(bodies[1]!)).toEqual({
      ...{ jsonrpc: '2.0', id: 'key-1', method: 'NotifyStart' },
      params: [UNIT, 'SMT'],
    });
  });

  test('its errors are faults, with code and all its words; null is no data', async () => {
    const call = callerOf(`jsonrpc:${(await realServer()).url}`);
    expect(await call('NotifyEvent', [UNIT, 'Finalize'])).toEqual({
      ...{ kind: 'fault', code: -1001, text: 'MES: not routed: unit C123' },
    });
    expect(await call('Unknown')).toMatchObject({ kind: 'fault', code: -32601, text: 'Method not found' });
    expect(await call('NotifyEnd', [UNIT, 'SMT'])).toMatchObject({ kind: 'fault', text: 'service returned no data' });
  });

  test('sends the same bytes at every attempt', async () => {
    const { url, bodies } = await realServer();
    const call = callerOf(`jsonrpc:${url}`);
    await call('NotifyStart', [UNIT, 'SMT']);
    await call('NotifyStart', [UNIT, 'SMT']);
    expect(bodies[0]).toBe(bodies[1]);
  });
});

describe('what a peer may answer', () => {
  test.each([
    [200, '{"result":{"a":1},"error":null,"id":"key-1"}', { kind: 'answered', value: { a: 1 } }],
    [200, '{"result":null,"error":"no such unit","id":"key-1"}', { kind: 'fault', code: 0, text: 'no such unit' }],
    [200, '{"jsonrpc":"2.0","error":{"code":-32700,"message":"?"},"id":null}', { kind: 'fault', code: -32700 }],
    [500, '{"jsonrpc":"2.0","error":{"code":-32603,"message":"down"},"id":"key-1"}', { kind: 'fault', text: 'down' }],
    [500, '{"jsonrpc":"2.0","result":{},"id":"key-1"}', { kind: 'ambiguous', why: /HTTP status 500/ }],
    [
      400,
      '{"jsonrpc":"2.0","error":{"code":-32600,"message":"?"},"id":null}',
      { kind: 'ambiguous', why: /HTTP status 400/ },
    ],
    [400, '{"jsonrpc":"2.0","error":{"code":-32600,"message":"?"}}', { kind: 'ambiguous', why: /HTTP status 400/ }],
    [
      500,
      '{"jsonrpc":"2.0","error":{"code":7,"message":"no"},"id":"key-2"}',
      { kind: 'ambiguous', why: /HTTP status 500/ },
    ],
    [503, '{"error":{"code":503,"message":"gateway"}}', { kind: 'ambiguous', why: /HTTP status 503/ }],
    [200, '{"jsonrpc":"2.0","result":{},"id":"another"}', { kind: 'ambiguous', why: /another call/ }],
    [200, '{"jsonrpc":"2.0","id":"key-1"}', { kind: 'ambiguous', why: /neither a result nor an error/ }],
    [200, '<methodResponse/>', { kind: 'ambiguous', why: /not JSON/ }],
    [200, `{"id":"key-1","result":${'['.repeat(40)}${']'.repeat(40)}}`, { kind: 'ambiguous', why: /nesting/ }],
    [200, `{"id":"key-1","result":[${'1,'.repeat(10_000)}1]}`, { kind: 'ambiguous', why: /more than 10000 values/ }],
    [200, `{"id":"key-1","result":"${'x'.repeat(2 ** 20)}"}`, { kind: 'ambiguous', why: /1048576 bytes/ }],
  ])('status %s', async (status, body, expected) => {
    const { url } = await serving(() => Promise.resolve([status, body]));
    const { why, ...rest } = { why: null, ...expected };
    const outcome = await callerOf(`jsonrpc:${url}`)('NotifyStart', [UNIT, 'SMT']);
    expect(outcome).toMatchObject(rest);
    if (why !== null) expect(outcome).toHaveProperty('why', expect.stringMatching(why));
  });
});

describe('the reference shopfloor', () => {
  const start = async (jsonText: boolean) => {
    const shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null, jsonText });
    cleanups.push(() => shopfloor.stop());
    return shopfloor;
  };

  test.each([
    ['jsonrpc:', false],
    ['xmlrpc:', false],
    ['json:', true],
    ['json:jsonrpc:', true],
    ['jsonrpc:json:', true],
  ])('is spoken to by %s', async (prefix, jsonText) => {
    const { url, journal } = await start(jsonText);
    const call = callerOf(prefix + url);
    expect(await call('GetVersion', [], 'a')).toEqual({ kind: 'answered', value: '1.0' });
    expect(await call('NotifyStart', [UNIT, 'FAT'], 'b')).toEqual({
      kind: 'answered',
      value: { 'serials.serial_number': 'SN-C123' },
    });
    expect(await call('UpdateTestResult', [UNIT, 'FAT.a', 'FAILED', { error_message: 'é<&>' }], 'c')).toEqual({
      ...{ kind: 'answered', value: {} },
    });
    expect(await call('NotifyEvent', [UNIT, 'Ready'], 'd')).toMatchObject({ kind: 'fault', code: -32602 });
    expect((await journal.lines()).map(({ key, outcome }) => [key, outcome])).toEqual([
      ...[
        ['a', 'applied'],
        ['b', 'applied'],
        ['c', 'applied'],
        ['d', 'fault'],
      ],
    ]);
  });

  test('a service that does not know of json: is found out', async () => {
    const { url } = await start(false);
    expect(await callerOf(`json:${url}`)('NotifyStart', [UNIT, 'SMT'])).toMatchObject({ kind: 'fault' });
    expect(await callerOf(`json:${url}`)('GetVersion')).toEqual({ kind: 'answered', value: 1 });
  });
});
