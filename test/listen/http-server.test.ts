/** What a server of HTTP/1.1 puts up with. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { defaultLimits, type Limits } from '../../src/core/limits.ts';
import { createHttpServer } from '../../src/listen/create-http-server.ts';
import { plainEntrance } from '../support/plain-entrance.ts';

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});

/** Short: what waits is ended by the server, and the test waits for that. */
const SHORT = { headersMs: 50, requestMs: 100, checkMs: 20, idleMs: 50 };

const openServer = async (limits: Partial<Limits['http']> = {}): Promise<Server> => {
  const server = createHttpServer(
    (request, reply) => {
      request.resume().on('end', () => reply.end('answered'));
    },
    { entrance: plainEntrance(), limits: { ...defaultLimits.http, ...limits } },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return server;
};

const dial = (server: Server): Socket => {
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  undo.push(() => socket.destroy());
  return socket;
};

/** All that is answered until the server closes the connection. */
const answerTo = async (server: Server, said: string): Promise<string> => {
  const socket = dial(server);
  socket.write(said);
  return text(socket);
};

const HEAD = 'POST / HTTP/1.1\r\nhost: localhost\r\n';

test.for<[string, string]>([
  ['nothing', ''],
  ['half its headers', HEAD],
  ['half its body', `${HEAD}content-length: 10\r\n\r\n12345`],
  ['half a chunk', `${HEAD}transfer-encoding: chunked\r\n\r\nff\r\n12345`],
])('whoever sends %s is told 408, and closed', async ([, said]) => {
  expect(await answerTo(await openServer(SHORT), said)).toMatch(/^HTTP\/1.1 408 /);
});

test('whoever drips its headers, a byte now and then, has no more time than others', async () => {
  const server = await openServer(SHORT);
  const socket = dial(server);
  const drip = setInterval(() => socket.writable && socket.write('x-a: b\r\n'), 5);
  undo.push(() => clearInterval(drip));
  socket.on('error', () => undefined);
  socket.write(HEAD);
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
});

test('headers are bounded in bytes', async () => {
  const server = await openServer({ headerBytesMax: 1024 });
  expect(await answerTo(server, `${HEAD}x-big: ${'x'.repeat(2000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
});

test('headers are bounded in number', async () => {
  const server = await openServer({ headersMax: 3 });
  expect(await answerTo(server, `${HEAD}a: 1\r\nb: 2\r\nc: 3\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
});

test('a connection serves so many requests, says at the last that it is the last, and answers no more', async () => {
  const server = await openServer({ requestsPerConnectionMax: 2, ...SHORT });
  const get = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n';
  const said = await answerTo(server, get + get + get);
  expect(said.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 503']);
  expect(said.match(/connection: \S+/gi)?.slice(0, 2)).toEqual(['Connection: keep-alive', 'Connection: close']);
});

test('a connection that is kept open and not used is closed', async () => {
  const said = await answerTo(await openServer({ idleMs: 50 }), 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  expect(said).toMatch(/^HTTP\/1.1 200 [\s\S]*answered/);
});
