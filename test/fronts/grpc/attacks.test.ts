/** Clients that mind no rules, one at a time: each is closed or bounded, and the door goes on. */
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Refusal } from '../../../src/core/refusal.ts';
import { BotsService } from '../../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { JobsService } from '../../../src/gen/stationgrid/v1/jobs.ts';
import {
  continuation,
  headers,
  openHeaders,
  part,
  ping,
  PREFACE,
  reset,
  settings,
} from '../../support/http2-frames.ts';
import { openDoor, refusedBy, type TestDoor } from './open-door.ts';

const UPDATE = BotsService.updateBotSession.path;
const LIST = JobsService.listJobs.path;
const REQUEST_MS = 300;

let door: TestDoor;
const sockets: Socket[] = [];
// A door each: an address that was shut out by one attack must not hide what the next one does.
beforeEach(async () => {
  door = await openDoor({ limits: { grpc: { requestMs: REQUEST_MS, receiveBytesMax: 100_000 } } });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await door.close();
});

/** A client with its own idea of HTTP/2, that reads and forgets what it is told. */
const dial = (to = door): Socket => {
  const socket = connect(to.door.port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.resume();
  socket.write(Buffer.concat([PREFACE, settings()]));
  return socket;
};

const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

/** Writes until the door has had enough. Each turn of the loop gives it a chance to say so. */
const flood = async (socket: Socket, frames: (turn: number) => Buffer): Promise<void> => {
  const end = closed(socket);
  let turn = 0;
  const more = (): void => {
    if (socket.destroyed) return;
    if (socket.write(frames(turn))) setImmediate(more);
    else socket.once('drain', more);
    turn += 1;
  };
  more();
  await end;
};

const times = (count: number, make: (n: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, n) => make(n)));

const LIST_ALL = { instance: 'line-1', states: [], station: '', route: '', serial: '', pageSize: 1, pageToken: '' };
const jobsAreListed = () => door.call(JobsService.listJobs, LIST_ALL);

/** Streams of a client have odd numbers. */
const BATCH = 100;
const streamOf = (turn: number, n: number): number => 2 * (turn * BATCH + n) + 1;

test.for<[string, (turn: number) => Buffer]>([
  [
    'begins calls and resets them',
    (turn) => times(BATCH, (n) => Buffer.concat([headers(streamOf(turn, n), UPDATE), reset(streamOf(turn, n))])),
  ],
  ['pings without end', () => times(BATCH * 10, ping)],
  ['changes settings without end', () => times(BATCH * 10, settings)],
  [
    'adds to headers without end',
    (turn) => Buffer.concat([...(turn === 0 ? [openHeaders(1, UPDATE)] : []), times(BATCH, () => continuation(1))]),
  ],
  [
    'sends empty parts without end',
    (turn) =>
      Buffer.concat([...(turn === 0 ? [headers(1, UPDATE)] : []), times(BATCH, () => part(1, Buffer.alloc(0)))]),
  ],
  ['begins more calls than it may', (turn) => times(BATCH, (n) => headers(streamOf(turn, n), UPDATE))],
  ['sends garbage after the preface', () => Buffer.alloc(16_384, 0xaa)],
])('whoever %s is closed, and the next is served', async ([, frames]) => {
  await flood(dial(), frames);
  await jobsAreListed();
});

/** The first five bytes of a message: not compressed, so long. */
const announced = (length: number): Buffer => Buffer.from([0, 0, 0, 0, length]);

test('a call whose request never finishes arriving is ended, and its place is free again', async () => {
  const slow = door.grpc.makeClientStreamRequest(
    LIST,
    (message: Buffer) => message,
    (bytes) => bytes,
    () => undefined,
  );
  // A message, and no end of the request.
  slow.write(Buffer.alloc(0));
  const ended = new Promise((resolve) => slow.once('status', resolve));
  expect(await ended).toMatchObject({
    code: 8,
    details: 'The request had not arrived whole after 0.3 s. Send it at once, or mend the network in between.',
  });
});

test('half-sent requests do not use up the calls of a connection', async () => {
  const socket = dial();
  const perRound = door.farm.limits.grpc.streamsMax;
  let stream = 1;
  for (let round = 0; round < 2; round += 1) {
    const answers = answersOn(socket, perRound);
    socket.write(
      times(perRound, () => {
        const call = Buffer.concat([headers(stream, LIST), part(stream, announced(100))]);
        stream += 2;
        return call;
      }),
    );
    await answers;
  }
  expect(socket.destroyed).toBe(false);
});

const UNAUTHENTICATED = 16;

test('a stranger is turned away before its request is read, and shut out when it goes on', async () => {
  const nobody = new Refusal('UNAUTHENTICATED', 'TOKEN_UNKNOWN', 'no');
  const strict = await openDoor({
    limits: { grpc: { requestMs: 60_000 }, doors: { strayBurst: 3, strayPerSecondMax: 1 } },
    identify: () => Promise.reject(nobody),
  });
  const half = strict.grpc.makeClientStreamRequest(
    LIST,
    (message: Buffer) => message,
    (bytes) => bytes,
    () => undefined,
  );
  expect(await new Promise((resolve) => half.once('status', resolve))).toMatchObject({ code: UNAUTHENTICATED });
  const codes = [];
  for (let call = 0; call < 3; call += 1)
    codes.push((await refusedBy(strict.call(JobsService.listJobs, LIST_ALL))).code);
  // The last was answered by the end of its connection.
  expect(codes).toEqual([UNAUTHENTICATED, UNAUTHENTICATED, 14]);
  await strict.close();
});

test('a connection that is lost with its calls is no offence of its address', async () => {
  const strict = await openDoor({ limits: { doors: { strayBurst: 3 } } });
  const begin = async (): Promise<Socket> => {
    const socket = dial(strict);
    socket.write(times(20, (n) => headers(2 * n + 1, UPDATE)));
    // A ping is answered in its turn: the calls have begun.
    const answered = new Promise((resolve) =>
      socket.on('data', (bytes) => bytes.includes(ping().subarray(9)) && resolve(0)),
    );
    socket.write(ping());
    await answered;
    return socket;
  };
  (await begin()).resetAndDestroy();
  (await begin()).end();
  expect((await strict.call(JobsService.listJobs, LIST_ALL)).jobs).toEqual([]);
  await strict.close();
});

test('a message over the limit is refused before it is read', async () => {
  const large = { ...LIST_ALL, instance: 'x'.repeat(200_000) };
  expect(await refusedBy(door.call(JobsService.listJobs, large))).toMatchObject({ code: 8 });
});

/** Resolves when so many calls were ended by the door: their headers say so, with the end of the stream. */
const answersOn = (socket: Socket, count: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const END_STREAM = 0x1;
    let bytes = Buffer.alloc(0);
    let ended = 0;
    const look = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
        if (bytes[3] === 0x1 && (bytes[4]! & END_STREAM) !== 0) ended += 1;
        bytes = bytes.subarray(9 + bytes.readUIntBE(0, 3));
      }
      if (ended < count) return;
      socket.off('data', look);
      resolve();
    };
    socket.on('data', look);
    socket.once('close', () => reject(new Error(`closed after ${ended} of ${count} calls had ended`)));
  });
