import net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { ShopfloorClientOptions } from '../../src/bridge/shopfloor-client.ts';
import { createShopfloorClient, NO_DATA_FAULT_CODE } from '../../src/bridge/shopfloor-client.ts';
import { encodeCall, encodeFault, encodeResponse } from '../../src/wire/xml-rpc.ts';
import { wallClock } from '../support/wall-clock.ts';

const BODY = encodeCall('NotifyStart', [{ 'serials.mlb_serial_number': 'C123' }, 'SMT']);
/** So long that only a test about time ever reaches it. */
const NEVER_MS = 60_000;

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Peer {
  readonly url: string;
  readonly requests: string[];
  readonly connections: net.Socket[];
}

/** A peer on a bare socket, told for each whole request (from 0, over all connections) what to do. */
async function startPeer(onRequest: (socket: net.Socket, index: number) => void): Promise<Peer> {
  const requests: string[] = [];
  const connections: net.Socket[] = [];
  const server = net.createServer((socket) => {
    connections.push(socket);
    let received = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received += chunk.toString();
      const head = received.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
      if (head < 0 || received.length < head + 4 + length) return;
      requests.push(received);
      received = '';
      onRequest(socket, requests.length - 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.close();
    for (const socket of connections) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/`, requests, connections };
}

function clientOf(url: string, options: Partial<ShopfloorClientOptions> = {}) {
  const client = createShopfloorClient({ url, clock: wallClock, callTimeoutMs: NEVER_MS, ...options });
  cleanups.push(() => client.close());
  return (method = 'NotifyStart', signal?: AbortSignal) =>
    client.call(method, BODY, { idempotencyKey: 'key-1', ...(signal === undefined ? {} : { signal }) });
}

const answer = (body: string, head = 'HTTP/1.1 200 OK'): string =>
  `${head}\r\nContent-Type: text/xml\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

describe('answers', () => {
  test('a struct; the request has a length, a key, and no chunks', async () => {
    const peer = await startPeer((socket) => socket.write(answer(encodeResponse({ 'factory.line': 'L4' }))));
    const call = clientOf(peer.url);
    expect(await call()).toEqual({ kind: 'answered', value: { 'factory.line': 'L4' } });
    const [request] = peer.requests;
    expect(request).toMatch(/^POST \/ HTTP\/1\.1\r\n/);
    expect(request).toContain(`Content-Length: ${Buffer.byteLength(BODY)}\r\n`);
    expect(request).toContain('Idempotency-Key: key-1\r\n');
    expect(request).toContain('Content-Type: text/xml');
    expect(request).not.toMatch(/transfer-encoding|expect:|accept-encoding/i);
    expect(request?.endsWith(`\r\n\r\n${BODY}`)).toBe(true);
  });

  test('one connection carries call after call', async () => {
    const peer = await startPeer((socket) => socket.write(answer(encodeResponse({}))));
    const call = clientOf(peer.url);
    for (let i = 0; i < 5; i += 1) expect((await call()).kind).toBe('answered');
    expect(peer.requests).toHaveLength(5);
    expect(peer.connections).toHaveLength(1);
  });

  test('an HTTP/1.0 peer that ends its answer by closing', async () => {
    const peer = await startPeer((socket) =>
      socket.end(
        `HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6\r\nContent-type: text/xml\r\n\r\n${encodeResponse({ a: 1 })}`,
      ),
    );
    const call = clientOf(peer.url);
    expect(await call()).toEqual({ kind: 'answered', value: { a: 1 } });
    expect(await call()).toEqual({ kind: 'answered', value: { a: 1 } });
    expect(peer.connections).toHaveLength(2);
  });

  test('a chunked answer, in pieces', async () => {
    const peer = await startPeer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (const letter of encodeResponse({ a: 1 })) socket.write(`1\r\n${letter}\r\n`);
      socket.write('0\r\n\r\n');
    });
    expect(await clientOf(peer.url)()).toEqual({ kind: 'answered', value: { a: 1 } });
  });

  test('a fault comes with HTTP 200, and without registration codes', async () => {
    const peer = await startPeer((socket) =>
      socket.write(answer(encodeFault(-1001, `MES: unit C123 not routed, code ${'0123456789ab'.repeat(6)}`))),
    );
    expect(await clientOf(peer.url)()).toEqual({
      kind: 'fault',
      code: -1001,
      text: 'MES: unit C123 not routed, code <redacted 72 chars>',
    });
  });

  test.each([
    ['nil', encodeResponse(null)],
    ['a string', encodeResponse('OK')],
    ['an array', encodeResponse([])],
    ['no value', '<methodResponse><params/></methodResponse>'],
  ])('%s where DeviceData is owed is a fault, but not for GetVersion', async (_name, body) => {
    const peer = await startPeer((socket) => socket.write(answer(body)));
    const call = clientOf(peer.url);
    expect(await call()).toEqual({ kind: 'fault', code: NO_DATA_FAULT_CODE, text: 'service returned no data' });
    expect((await call('GetVersion')).kind).toBe('answered');
  });
});

describe('certainly not applied', () => {
  test('nobody listens', async () => {
    const peer = await startPeer(() => undefined);
    for (const cleanup of cleanups.splice(0)) cleanup();
    expect(await clientOf(peer.url)()).toEqual({ kind: 'refused', why: 'no connection (ECONNREFUSED)' });
  });

  test('the name is not known', async () => {
    const outcome = await clientOf('http://shopfloor.invalid:8090/')();
    expect(outcome).toMatchObject({ kind: 'refused', why: expect.stringContaining('no connection (') });
  });

  test('given up before it began', async () => {
    const peer = await startPeer((socket) => socket.write(answer(encodeResponse({}))));
    expect(await clientOf(peer.url)('NotifyStart', AbortSignal.abort())).toMatchObject({ kind: 'refused' });
    expect(peer.requests).toEqual([]);
  });

  test('TLS is spoken to a peer that has none', async () => {
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => server.close());
    const { port } = server.address() as net.AddressInfo;
    expect(await clientOf(`https://127.0.0.1:${port}/`)()).toMatchObject({ kind: 'refused' });
  });
});

describe('ambiguous: sent, and no readable answer', () => {
  const mebibytes = (count: number): string => encodeResponse('x'.repeat(count * 1024 * 1024));

  test.each<[string, string | null, RegExp]>([
    ['garbage instead of HTTP', '\u0000\u0001 what?\r\n\r\n', /broke before a complete answer \(HPE_/],
    ['garbage instead of XML', answer('Internal error'), /cannot be read: not well-formed XML/],
    ['an HTML page', answer('<html><body>It works!</body></html>'), /cannot be read: <html> may not stand at the top/],
    ['an empty body', answer(''), /cannot be read/],
    ['a DOCTYPE', answer(`<!DOCTYPE lolz [<!ENTITY a "b">]>${encodeResponse({}).slice(21)}`), /document type/],
    ['10 MB with a length', answer(mebibytes(10)), /larger than 1048576 bytes/],
    ['10 MB without a length', `HTTP/1.0 200 OK\r\n\r\n${mebibytes(10)}`, /more than 1048576 bytes/],
    [
      'a redirect',
      'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
      /HTTP status 302/,
    ],
    [
      'a redirect that keeps the method',
      answer('', 'HTTP/1.1 307 Temporary Redirect\r\nLocation: /x'),
      /HTTP status 307/,
    ],
    ['HTTP 500', answer(encodeResponse({}), 'HTTP/1.1 500 Internal Server Error'), /HTTP status 500/],
    ['HTTP 204', 'HTTP/1.1 204 No Content\r\n\r\n', /HTTP status 204/],
    ['a connection closed without an answer', null, /broke|closed/],
    ['an answer cut in its length', answer(encodeResponse({ a: 1 })).slice(0, -20), /broke off|closed|broke/],
    [
      'an answer cut in its last chunk',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<?xml',
      /broke|closed/,
    ],
    ['an HTTP/1.0 answer cut short', `HTTP/1.0 200 OK\r\n\r\n${encodeResponse({}).slice(0, -9)}`, /cannot be read/],
    ['headers without end', `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(40_000)}`, /HPE_HEADER_OVERFLOW/],
    [
      'a protocol switch',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
      /closed|broke/,
    ],
  ])('%s', async (_name, bytes, why) => {
    const peer = await startPeer((socket) => (bytes === null ? socket.end() : socket.end(bytes)));
    expect(await clientOf(peer.url)()).toEqual({ kind: 'ambiguous', why: expect.stringMatching(why) });
    expect(peer.requests).toHaveLength(1);
  });

  test('a reset in the middle of the answer', async () => {
    const peer = await startPeer((socket) => {
      socket.write(answer(encodeResponse({ a: 1 })).slice(0, 120), () => socket.resetAndDestroy());
    });
    expect(await clientOf(peer.url)()).toMatchObject({ kind: 'ambiguous' });
  });

  test.each([
    ['no answer in time', ''],
    ['an answer that does not end in time', 'HTTP/1.1 200 OK\r\n\r\n<?xml version="1.0"?>'],
  ])('%s', async (_name, bytes) => {
    const timeUp = Promise.withResolvers<undefined>();
    const clock = { sleep: () => timeUp.promise };
    const peer = await startPeer((socket) => socket.write(bytes, () => timeUp.resolve(undefined)));
    expect(await clientOf(peer.url, { clock, callTimeoutMs: 8_000 })()).toEqual({
      kind: 'ambiguous',
      why: 'no complete answer within 8000 ms',
    });
  });

  test('given up while it waits', async () => {
    const giveUp = new AbortController();
    const peer = await startPeer(() => giveUp.abort());
    expect(await clientOf(peer.url)('NotifyStart', giveUp.signal)).toMatchObject({ kind: 'ambiguous' });
  });

  test('a kept connection that the peer closes at the next call, which is not sent again by itself', async () => {
    const peer = await startPeer((socket, index) => {
      if (index === 0) socket.write(answer(encodeResponse({})));
      else socket.destroy();
    });
    const call = clientOf(peer.url);
    expect((await call()).kind).toBe('answered');
    expect((await call()).kind).toBe('ambiguous');
    expect(peer.connections).toHaveLength(1);
    expect(peer.requests).toHaveLength(2);
  });

  test('after a bad answer the next call is well', async () => {
    const peer = await startPeer((socket, index) =>
      socket.write(answer(index === 0 ? 'nonsense' : encodeResponse({}))),
    );
    const call = clientOf(peer.url);
    expect((await call()).kind).toBe('ambiguous');
    expect((await call()).kind).toBe('answered');
  });
});

describe('the address', () => {
  test('with the prefix that factory software writes, and a path', async () => {
    const peer = await startPeer((socket) => socket.write(answer(encodeResponse({}))));
    expect((await clientOf(`xmlrpc:${peer.url}shop/floor/`)()).kind).toBe('answered');
    expect(peer.requests[0]).toMatch(/^POST \/shop\/floor HTTP\/1\.1\r\n/);
  });

  test.each([
    ['wsdl:http://mes/', /uses wsdl:, which is SOAP.*XML-RPC address/],
    ['json:wsdl:http://mes/', /uses wsdl:, which is SOAP/],
    ['http://mes/service?wsdl', /ends in wsdl, which is SOAP/],
    ['xmlrpc:jsonrpc:http://mes/', /says both xmlrpc: and jsonrpc:/],
    ['json:json:http://mes/', /says json: twice/],
    ['ftp://mes/', /begins with http:\/\/ or https:\/\//],
    ['mes:8090', /begins with http:\/\/|cannot be read/],
    ['', /cannot be read/],
  ])('%s is refused with words', (url, why) => {
    expect(() => createShopfloorClient({ url, clock: wallClock })).toThrow(why);
  });
});
