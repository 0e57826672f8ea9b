/** Multipart forms over a real socket, cut wherever a network cuts them. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readParts } from '../../../src/fronts/factory/read-parts.ts';
import { receive } from '../../../src/uploads/received.ts';
import { createRoom } from '../../../src/uploads/room.ts';

const PARTS_MAX = 20;

let folder: string;
let server: Server;
let sockets: Socket[];
/** So much of a body is there before any of it is read. */
let waitsFor: number;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-parts-`));
  const room = createRoom(folder, { freeBytesMin: 0, folderBytesMax: Number.MAX_SAFE_INTEGER });
  let files = 0;
  sockets = [];
  waitsFor = 0;
  const depot = { receive: () => receive(join(folder, String((files += 1))), room) };
  server = createServer((request, response) => {
    const parts: [string, string][] = [];
    const onPart: Parameters<typeof readParts>[2]['onPart'] = async ({ name, received }) => {
      parts.push([name, await text(received.read() as AsyncIterable<Uint8Array> & NodeJS.ReadableStream)]);
      await received.discard();
    };
    const read = async () => {
      if (waitsFor > 0) await expect.poll(() => request.readableLength).toBeGreaterThanOrEqual(waitsFor);
      return readParts(request, depot, { partsMax: PARTS_MAX, onPart });
    };
    read().then(
      (read) => {
        if (request.complete) response.setHeader('Connection', 'close');
        response.end(JSON.stringify({ ...read, parts }));
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

/** Each piece is sent when the one before it has been read. */
const send = async (pieces: readonly Buffer[], type = 'multipart/form-data; boundary=B'): Promise<unknown> => {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const said = answerOf(socket);
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`;
  let sent = 0;
  const all = [Buffer.from(head), ...pieces];
  for (const piece of all) {
    socket.write(piece);
    if (piece === all.at(-1)) break;
    sent += piece.length;
    await expect.poll(() => sockets.at(-1)?.bytesRead, { interval: 0 }).toBe(sent);
    // Read from the socket, it is with the parser a turn later.
    for (let turn = 0; turn < 3; turn += 1) await setImmediate();
  }
  const answer = await said;
  return JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1));
};

/** Up to its end, which is not that of the connection where the answer came before all was sent. */
const answerOf = async (socket: Socket): Promise<string> => {
  let answer = '';
  for await (const piece of socket.setEncoding('utf8')) {
    answer += String(piece);
    const [head = '', body] = answer.split('\r\n\r\n');
    if (body?.length === Number(/^content-length: (\d+)$/im.exec(head)?.[1])) break;
  }
  return answer;
};

const part = (name: string, value: string, more = ''): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"\r\n${more}\r\n${value}\r\n`;
const END = '--B--\r\n';

test('a form is the same wherever it is cut', { timeout: 60_000 }, async () => {
  const form = Buffer.from(
    `${part('a', 'one')}${part('', '')}${part('ü', '\r\n--\r\n--C', 'Content-Type: text/plain\r\n')}${END}`,
  );
  const whole = { kind: 'read', parts: [['a', 'one'], ['', ''], ['ü', '\r\n--\r\n--C']] }; // prettier-ignore
  for (let at = 1; at < form.length; at += 1) {
    expect([at, await send([form.subarray(0, at), form.subarray(at)])]).toEqual([at, whole]);
  }
  expect(await send([...form].map((byte) => Buffer.from([byte])))).toEqual(whole);
});

const FORM_DATA = 'Content-Disposition: form-data; name="event"';
const DISPOSED: readonly (readonly [said: string, name: string])[] = [
  ['form-data; name=event; filename="event"', 'event'],
  ['FORM-DATA;NAME="event"', 'event'],
  [`form-data; name="x"; name*=utf-8''%e2%82%ac%00`, '€\0'],
  [String.raw`form-data; name="a\"b"`, 'a"b'],
  [String.raw`form-data; name="C:\logs\a"`, String.raw`C:\logs\a`],
  ['form-data; name="a%22b%41"', 'a"b%41'],
  [' form-data;  name="event"', 'event'],
  ['\r\n form-data;\r\n name="event"', 'event'],
];
test.for(DISPOSED)('a part is named: %s', async ([said, name]) => {
  const form = `--B\r\ncontent-disposition: ${said}\r\n\r\n{}\r\n${END}`;
  expect(await send([Buffer.from(form)])).toEqual({ kind: 'read', parts: [[name, '{}']] });
});

const odd: readonly (readonly [what: string, form: string])[] = [
  ['padding behind a boundary', `--B \r\n${FORM_DATA}\r\n\r\n{}\r\n${END}`],
  ['no headers', `--B\r\n\r\n{}\r\n${END}`],
  ['headers that say nothing of a form', `--B\r\nContent-Type: text/plain\r\n\r\n{}\r\n${END}`],
  ['an attachment', `--B\r\nContent-Disposition: attachment; name="event"\r\n\r\n{}\r\n${END}`],
  ['no name', `--B\r\nContent-Disposition: form-data\r\n\r\n{}\r\n${END}`],
  ['a name that is no UTF-8', `--B\r\nContent-Disposition: form-data; name*=utf-8''%ff\r\n\r\n{}\r\n${END}`],
  ['a name in Latin-1', `--B\r\nContent-Disposition: form-data; name="\xe4"\r\n\r\n{}\r\n${END}`],
  ['a name without end', `--B\r\n${FORM_DATA.replace('event', 'e'.repeat(9000))}\r\n\r\n{}\r\n${END}`],
  ['an encoding', `--B\r\n${FORM_DATA}\r\nContent-Transfer-Encoding: base64\r\n\r\ne30=\r\n${END}`],
  ['a part behind the end', `${part('a', 'one')}${END}${part('event', '{}')}`],
  ['a part behind what looks like the end', `${part('a', 'one')}--B--X\r\n${part('event', '{}')}${END}`],
  ['a part behind halves of an end', `${part('a', 'one')}--B-\r\n--B-\r\n${FORM_DATA}\r\n\r\n{}\r\n${END}`],
  ['a space before the colon', `--B\r\n${FORM_DATA.replace(':', ' :')}\r\n\r\n{}\r\n${END}`],
  ['a line without a colon', `--B\r\nfoo\r\n${FORM_DATA}\r\n\r\n{}\r\n${END}`],
  ['headers without end', `--B\r\n${FORM_DATA}\r\n{}\r\n${END}`],
  ['headers that are too long', `--B\r\nX: ${'x'.repeat(17_000)}\r\n${FORM_DATA}\r\n\r\n{}\r\n${END}`],
  ['too many headers', `--B\r\n${'X: x\r\n'.repeat(101)}${FORM_DATA}\r\n\r\n{}\r\n${END}`],
  ['a header that is called like what every object has', `--B\r\nconstructor: x\r\n${FORM_DATA}\r\n\r\n{}\r\n${END}`],
  ['a part that is cut off', `${part('a', 'one')}--B\r\n${FORM_DATA}\r\n\r\n{"cut`],
  ['no end', part('event', '{}')],
  ['nothing', ''],
  ['too many parts', `${part('a', 'x').repeat(PARTS_MAX + 1)}${END}`],
];
test.for(odd)('malformed, and not in silence: %s', async ([, form]) => {
  const whole = [['a', 'one']];
  const read = await send([Buffer.from(form, 'latin1')]);
  expect(read).toMatchObject({ kind: 'malformed', why: expect.stringMatching(/^\S/) });
  // What is handed on is whole.
  const { parts } = read as { readonly parts: unknown };
  expect([[], whole, Array.from({ length: PARTS_MAX }, () => ['a', 'x'])]).toContainEqual(parts);
});

test.for(['', '; boundary=', '; boundary=""', `; boundary=${'x'.repeat(300)}`])('no boundary: %j', async (type) => {
  const read = await send([Buffer.from(`${part('a', 'one')}${END}`)], `multipart/form-data${type}`);
  expect(read).toEqual({ kind: 'malformed', why: expect.stringContaining('boundary'), parts: [] });
});

test.for([60, 64, 66, 90, 120])('an attachment of %i KiB that is there with the rest of its form', async (kib) => {
  const log = 'x'.repeat(kib * 1024);
  const form = Buffer.from(`${part('log', log)}${part('event', '{}')}${END}`);
  // More than this is not read ahead.
  waitsFor = Math.min(form.length, 64 * 1024);
  expect(await send([form])).toEqual({ kind: 'read', parts: [['log', log], ['event', '{}']] }); // prettier-ignore
});

test('who sends all before it listens hears what is wrong with the beginning', async () => {
  const form = Buffer.from(`--B\r\n\r\n${'x'.repeat(30_000_000)}\r\n${END}`);
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1' });
  const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n`;
  socket.write(`${head}Content-Length: ${form.length}\r\n\r\n--B\r\n\r\n\r\n--B\r\n`);
  socket.pause();
  await new Promise((resolve) => socket.write(form.subarray(13), resolve));
  let said = '';
  for await (const piece of socket) if ((said += String(piece)).includes('}')) break;
  expect(said).toContain('malformed');
});
