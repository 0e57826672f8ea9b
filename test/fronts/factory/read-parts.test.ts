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
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-parts-`));
  const room = createRoom(folder, { freeBytesMin: 0, folderBytesMax: Number.MAX_SAFE_INTEGER });
  let files = 0;
  sockets = [];
  const depot = { receive: () => receive(join(folder, String((files += 1))), room) };
  server = createServer((request, response) => {
    const parts: [string, string][] = [];
    const onPart: Parameters<typeof readParts>[2]['onPart'] = async ({ name, received }) => {
      parts.push([name, await text(received.read() as AsyncIterable<Uint8Array> & NodeJS.ReadableStream)]);
      await received.discard();
    };
    readParts(request, depot, { partsMax: PARTS_MAX, onPart }).then(
      (read) => response.setHeader('Connection', 'close').end(JSON.stringify({ ...read, parts })),
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
  const said = text(socket);
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
  const read = await send([Buffer.from(form)]);
  expect(read).toMatchObject({ kind: 'malformed', why: expect.stringMatching(/^\S/) });
  // What is handed on is whole.
  const { parts } = read as { readonly parts: unknown };
  expect([[], whole, Array.from({ length: PARTS_MAX }, () => ['a', 'x'])]).toContainEqual(parts);
});

test.for(['', '; boundary=', '; boundary=""', `; boundary=${'x'.repeat(300)}`])('no boundary: %j', async (type) => {
  const read = await send([Buffer.from(`${part('a', 'one')}${END}`)], `multipart/form-data${type}`);
  expect(read).toEqual({ kind: 'malformed', why: expect.stringContaining('boundary'), parts: [] });
});
