/**
 * Everything bad at once from one address, as a process of its own: `node attacker.ts <gRPC port> <HTTP port> <seconds>`.
 * It goes on at least so long, and until the farm has put an end to each kind of it; then it prints what it did, as JSON.
 */
import { connect, type Socket } from 'node:net';
import { BotsService } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { headers, part, ping, PREFACE, reset, settings } from '../support/http2-frames.ts';

const [grpcPort = 0, httpPort = 0, seconds = 0] = process.argv.slice(2).map(Number);
const ADDRESS = '127.0.0.2';
/** Of each of the four slow kinds. */
const SLOW = 50;
const FAST = 4;
const BATCH = 100;
const GARBAGE_EVERY_MS = 100;
/** 1 MB a second, of two kinds. */
const GARBAGE = Buffer.alloc(50_000, 0x5a);
const DRIP_MS = 500;
const POUR_MS = 10;
/** A farm that closes at once must not make this a loop. */
const AGAIN_MS = 20;
const LOOK_MS = 100;

const counts: Record<string, { opened: number; ended: number; said: number }> = {};
const endMs = performance.now() + seconds * 1000;

/** Opens it, and again whenever the farm has closed it. */
const attack = (kind: string, port: number, begin: (socket: Socket, said: () => void) => void): void => {
  const count = (counts[kind] ??= { opened: 0, ended: 0, said: 0 });
  const socket = connect({ port, host: '127.0.0.1', localAddress: ADDRESS });
  socket.on('error', () => undefined);
  socket.resume();
  socket.once('connect', () => {
    count.opened += 1;
    begin(socket, () => (count.said += 1));
  });
  socket.once('close', () => {
    count.ended += 1;
    setTimeout(() => attack(kind, port, begin), AGAIN_MS);
  });
};

/** A byte now and then, for ever. */
const drip = (bytes: Buffer) => (socket: Socket, said: () => void) => {
  let at = 0;
  const timer = setInterval(() => {
    socket.write(bytes.subarray(at, at + 1));
    at += 1;
    said();
  }, DRIP_MS);
  socket.once('close', () => clearInterval(timer));
};

/**
 * A hundred every few milliseconds, as long as the farm reads them: more than it may take, and no more than that. What the
 * attacker itself costs must not be what starves the farm, where both share a machine.
 */
const pour = (next: (turn: number) => Buffer) => (socket: Socket, said: () => void) => {
  let turn = 0;
  const timer = setInterval(() => {
    if (socket.writableNeedDrain) return;
    socket.write(next(turn));
    turn += 1;
    said();
  }, POUR_MS);
  socket.write(hello);
  socket.once('close', () => clearInterval(timer));
};

const garbage = (first: Buffer) => (socket: Socket, said: () => void) => {
  socket.write(first);
  const timer = setInterval(() => {
    socket.write(GARBAGE);
    said();
  }, GARBAGE_EVERY_MS);
  socket.once('close', () => clearInterval(timer));
};

const hello = Buffer.concat([PREFACE, settings()]);
const path = BotsService.updateBotSession.path;
const times = (make: (n: number) => Buffer): Buffer => Buffer.concat(Array.from({ length: BATCH }, (_, n) => make(n)));
const streamOf = (turn: number, n: number): number => 2 * (turn * BATCH + n) + 1;

const halfSent = (socket: Socket, said: () => void): void => {
  socket.write(Buffer.concat([hello, headers(1, path)]));
  // A message of 200 bytes was announced.
  drip(Buffer.concat(Array.from(Buffer.from([0, 0, 0, 0, 200]), (byte) => part(1, Buffer.from([byte])))))(socket, said);
};

for (let n = 0; n < SLOW; n += 1) {
  attack('silent', grpcPort, () => undefined);
  attack('slow preface', grpcPort, drip(PREFACE));
  attack('half-sent request', grpcPort, halfSent);
  attack(
    'slow headers',
    httpPort,
    drip(Buffer.from('POST /api/v1/instances/line-1/jobs HTTP/1.1\r\nhost: localhost\r\n')),
  );
}
for (let n = 0; n < FAST; n += 1) {
  attack(
    'resets',
    grpcPort,
    pour((turn) => times((k) => Buffer.concat([headers(streamOf(turn, k), path), reset(streamOf(turn, k))]))),
  );
  attack(
    'pings',
    grpcPort,
    pour(() => times(ping)),
  );
}
attack('garbage', grpcPort, garbage(Buffer.alloc(0)));
attack('garbage after the preface', grpcPort, garbage(hello));
attack('garbage over HTTP', httpPort, garbage(Buffer.alloc(0)));

/** A half-sent request is ended as a call; its connection may stay. */
const isAnswered = ([kind, { ended }]: [string, { ended: number }]): boolean =>
  kind === 'half-sent request' || ended > 0;

setInterval(() => {
  if (performance.now() < endMs || !Object.entries(counts).every(isAnswered)) return;
  process.stdout.write(`${JSON.stringify(counts)}\n`, () => process.exit(0));
}, LOOK_MS);
