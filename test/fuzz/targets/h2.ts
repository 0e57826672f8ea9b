/** Frames of HTTP/2 on the gRPC port: in a wrong order, of a wrong size, too many, cut off, or none at all. */
import type { Prng } from '../../sim/prng.ts';
import type { Input, Told } from '../input.ts';
import { mutated } from '../mutate.ts';
import { rawExchange } from '../raw-socket.ts';
import type { Site } from '../site.ts';
import type { Target } from '../target.ts';
import { framed } from '../wire-format.ts';
import { nextGrpcCall } from './grpc.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
// RFC 9113, section 6.
const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION] =
  Array.from({ length: 10 }, (_, type) => type) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;

const frame = (
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
  length = payload.length,
): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length & 0xff_ffff, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
};

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};
const setting = (id: number, value: number): Buffer => Buffer.concat([Buffer.from([id >>> 8, id & 0xff]), word(value)]);

/** HPACK's plainest form: a literal without index, its length in seven bits and what goes beyond. */
const literal = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'latin1');
  const lengths: number[] = [];
  if (bytes.length < 127) lengths.push(bytes.length);
  else {
    lengths.push(127);
    let left = bytes.length - 127;
    for (; left >= 128; left = Math.floor(left / 128)) lengths.push((left % 128) + 128);
    lengths.push(left);
  }
  return Buffer.concat([Buffer.from(lengths), bytes]);
};
const header = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0]), literal(name), literal(value)]);

const request = (path = '/stationgrid.v1.Fleet/ListBots', more: readonly (readonly [string, string])[] = []): Buffer =>
  Buffer.concat(
    [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':authority', 'localhost'],
      [':path', path],
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
      ...more,
    ].map(([name = '', value = '']) => header(name, value)),
  );

/** Every way to be a bad peer that has had a name, and a few without; `n` is how often. */
const scenes: readonly (readonly [name: string, frames: (prng: Prng, n: number) => Buffer[]])[] = [
  [
    'streams opened and reset at once',
    (_prng, n) =>
      many(n, (i) => [frame(HEADERS, END_HEADERS, odd(i), request()), frame(RST_STREAM, 0, odd(i), word(8))]),
  ],
  ['streams opened and never used', (_prng, n) => many(n, (i) => [frame(HEADERS, END_HEADERS, odd(i), request())])],
  [
    'one header block in endless parts',
    (_prng, n) => [frame(HEADERS, 0, 1, request()), ...many(n, () => [frame(CONTINUATION, 0, 1, header('x', 'y'))])],
  ],
  [
    'empty continuations',
    (_prng, n) => [frame(HEADERS, 0, 1, request()), ...many(n, () => [frame(CONTINUATION, 0, 1)])],
  ],
  [
    'huge headers',
    (prng) => [
      frame(HEADERS, 0, 1, request('/x', [['x', 'y'.repeat(prng.pick([8_000, 15_000]))]])),
      ...many(8, () => [frame(CONTINUATION, 0, 1, header('z', 'y'.repeat(15_000)))]),
      frame(CONTINUATION, END_HEADERS, 1),
    ],
  ],
  ['pings', (_prng, n) => many(n, (i) => [frame(PING, 0, 0, Buffer.concat([word(i), word(0)]))])],
  [
    'settings again and again',
    (prng, n) =>
      many(n, () => [
        frame(
          SETTINGS,
          0,
          0,
          setting(prng.pick([1, 2, 3, 4, 5, 6, 99]), prng.pick([0, 1, 0x7fff_ffff, 0xffff_ffff, 16_384])),
        ),
      ]),
  ],
  ['a settings acknowledgement that nobody asked for', (_prng, n) => many(n, () => [frame(SETTINGS, 1, 0)])],
  [
    'windows that grow past their end',
    (_prng, n) => [
      frame(HEADERS, END_HEADERS, 1, request()),
      ...many(n, () => [frame(WINDOW_UPDATE, 0, 1, word(0x7fff_ffff))]),
    ],
  ],
  ['windows that grow by nothing', (_prng, n) => many(n, () => [frame(WINDOW_UPDATE, 0, 0, word(0))])],
  [
    'a window of zero, and a call to be answered',
    () => [
      frame(SETTINGS, 0, 0, setting(4, 0)),
      frame(HEADERS, END_HEADERS, 1, request()),
      frame(DATA, END_STREAM, 1, framed(Buffer.alloc(0))),
    ],
  ],
  ['data before a stream', (prng) => [frame(DATA, 0, prng.pick([0, 1, 2, 0x7fff_ffff]), Buffer.from('x'))]],
  [
    'data after the end',
    () => [frame(HEADERS, END_HEADERS | END_STREAM, 1, request()), frame(DATA, 0, 1, Buffer.from('x'))],
  ],
  [
    'data in empty frames',
    (_prng, n) => [frame(HEADERS, END_HEADERS, 1, request()), ...many(n, () => [frame(DATA, 0, 1)])],
  ],
  [
    'padding longer than the frame',
    () => [frame(HEADERS, END_HEADERS, 1, request()), frame(DATA, PADDED, 1, Buffer.from([200, 1]))],
  ],
  [
    'a frame that is longer than it says, or shorter',
    (prng) => [frame(HEADERS, END_HEADERS, 1, request(), prng.pick([0, 1, 16_385, 0xff_ffff]))],
  ],
  [
    'a stream that depends on itself',
    (_prng, n) => many(n, () => [frame(PRIORITY, 0, 3, Buffer.concat([word(3), Buffer.from([1])]))]),
  ],
  ['a push from a client', () => [frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([word(2), request()]))]],
  [
    'goaway, and on',
    () => [frame(GOAWAY, 0, 0, Buffer.concat([word(0), word(0)])), frame(HEADERS, END_HEADERS, 1, request())],
  ],
  [
    'kinds that nobody knows',
    (prng, n) => many(n, () => [frame(prng.int(10, 255), prng.int(0, 255), prng.int(0, 9), Buffer.from('x'))]),
  ],
  ['headers that cannot be decoded', (prng) => [frame(HEADERS, END_HEADERS | END_STREAM, 1, mutated(prng, request()))]],
  [
    'a table size that cannot be',
    () => [frame(HEADERS, END_HEADERS, 1, Buffer.from([0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f]))],
  ],
  [
    'paths and methods that are none',
    (prng) => [
      frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        request(prng.pick(['', '*', '/', '/a/b', `/${'x'.repeat(9000)}`, '/\0', 'http://x/'])),
      ),
    ],
  ],
  [
    'headers that HTTP/2 forbids',
    (prng) => [
      frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        request('/a/b', [
          prng.pick([
            ['Upper', 'x'],
            ['connection', 'close'],
            [':late', 'x'],
            ['grpc-timeout', '99999999999H'],
            ['grpc-timeout', 'soon'],
            ['grpc-encoding', 'no-such'],
            ['x-bin', '!!!'],
            ['host', 'a\r\nb: c'],
            ['grpc-timeout', '0n'],
          ] as const),
        ]),
      ),
    ],
  ],
  [
    'half a message',
    () => [frame(HEADERS, END_HEADERS, 1, request()), frame(DATA, 0, 1, framed(Buffer.alloc(100)).subarray(0, 20))],
  ],
  [
    'trailers from the client',
    () => [frame(HEADERS, END_HEADERS, 1, request()), frame(HEADERS, END_HEADERS | END_STREAM, 1, header('x', 'y'))],
  ],
  [
    'many calls at once',
    (_prng, n) =>
      many(n, (i) => [
        frame(HEADERS, END_HEADERS, odd(i), request()),
        frame(DATA, END_STREAM, odd(i), framed(Buffer.alloc(0))),
      ]),
  ],
];

const odd = (i: number): number => i * 2 + 1;
const many = (n: number, frames: (i: number) => Buffer[]): Buffer[] =>
  Array.from({ length: n }, (_, i) => frames(i)).flat();

const OPENINGS = [
  PREFACE,
  PREFACE,
  PREFACE,
  PREFACE,
  PREFACE,
  Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  Buffer.alloc(0),
  PREFACE.subarray(0, 13),
];

const make = (prng: Prng): Input => {
  const some = prng.some(scenes, prng.pick([1, 1, 1, 2, 3]));
  const n = prng.pick([1, 3, 40, 300]);
  const opening = prng.pick(OPENINGS);
  const frames = some.flatMap(([, draw]) => draw(prng, n));
  const bytes = Buffer.concat([opening, frame(SETTINGS, 0, 0), ...frames]);
  const cut = prng.chance(0.1) ? bytes.subarray(0, prng.int(0, bytes.length)) : bytes;
  const body = prng.chance(0.15) ? mutated(prng, cut) : cut;
  return {
    what: `${some.map(([name]) => name).join('; then ')} (${String(n)} times)`,
    head: { end: prng.pick(['half', 'half', 'cut', 'wait']) },
    body,
  };
};

/** Long enough for an answer; a silent connection is the farm's right for as long as its limits say. */
const WAIT_MS = 60;
const PATIENCE_MS = 15_000;

const send = async (site: Site, { head, body }: Input): Promise<Told> => {
  const end = head['end'] ?? 'half';
  const { bytes, how } = await rawExchange(site.grpcPort, body, {
    end,
    patienceMs: end === 'wait' ? WAIT_MS : PATIENCE_MS,
  });
  // Whatever the farm makes of it, it says so in its own frames, or goes.
  return {
    refused: true,
    wrong: null,
    answer: `${how} after ${bytes.length === 0 ? 'no' : bytes.length < 100 ? 'a few' : 'many'} bytes`,
  };
};

export const h2: Target = {
  name: 'h2',
  says: 'HTTP/2 frames on the gRPC port',
  under: 'farm',
  make,
  send,
  next: nextGrpcCall,
};
