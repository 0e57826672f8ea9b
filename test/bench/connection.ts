/**
 * One HTTP/2 connection that makes gRPC calls (RFC 9113; gRPC over HTTP/2), and as little besides as will do: on two
 * cores, a client that costs as much as the server would be what is measured. Both sides of a comparison meet the same one.
 * It reads frames but no headers: a call whose stream ends without a message has failed.
 */
import { connect, type Socket } from 'node:net';

/** The message of the reply; null: the call failed, or the connection did. */
export type Ended = (reply: Buffer | null) => void;

export type Connection = {
  /** @param method from `methodOf`. @param request the encoded message. */
  readonly call: (method: Buffer, request: Uint8Array, ended: Ended) => void;
  /** As `call`; rejects where that would give null. */
  readonly ask: (method: Buffer, request: Uint8Array) => Promise<Buffer>;
  /** Whether the server takes no new call here: it has said so, or the connection is gone. */
  readonly isLeaving: () => boolean;
  /** What is under way fails. */
  readonly close: () => void;
};

const FRAME = { data: 0x0, headers: 0x1, reset: 0x3, settings: 0x4, ping: 0x6, goAway: 0x7, window: 0x8 } as const;
const END_STREAM = 0x1;
const ACK = 0x1;
const END_HEADERS = 0x4;
const FRAME_HEAD = 9;
/** Of a gRPC message: not compressed, and its length. */
const MESSAGE_HEAD = 5;
const WINDOW_MAX = 2 ** 31 - 1;
const WINDOW_AT_FIRST = 65_535;
/** After so many bytes the server is given as many again. */
const WINDOW_STEP = 2 ** 30;

/** A request's headers in HPACK, ready to be sent any number of times: nothing in them is remembered by either side. */
export const methodOf = (path: string, { timeoutSeconds }: { readonly timeoutSeconds?: number } = {}): Buffer =>
  Buffer.concat([
    // `:method: POST` and `:scheme: http` have places in the static table.
    Buffer.from([0x83, 0x86]),
    literal(':path', path),
    literal(':authority', 'farm'),
    literal('content-type', 'application/grpc'),
    literal('te', 'trailers'),
    ...(timeoutSeconds === undefined ? [] : [literal('grpc-timeout', `${timeoutSeconds}S`)]),
  ]);

const literal = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);

type From = { readonly localAddress?: string };

/** @param from the loopback address to come from, where each caller should have its own. */
export const openConnection = (address: string, from: From = {}): Promise<Connection> => {
  const at = address.lastIndexOf(':');
  const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), ...from });
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => resolve(speak(socket)));
  });
};

/** @param n of them, all to one server. */
export const openConnections = (address: string, n: number): Promise<readonly Connection[]> =>
  Promise.all(Array.from({ length: n }, () => openConnection(address)));

const speak = (socket: Socket): Connection => {
  const calls = new Map<number, { readonly ended: Ended; parts: readonly Buffer[] }>();
  const unsent: Buffer[] = [];
  let nextStream = 1;
  let window = WINDOW_AT_FIRST;
  let received = 0;
  let isLeaving = false;

  const finish = (stream: number): void => {
    const call = calls.get(stream);
    if (call === undefined) return;
    calls.delete(stream);
    const [first, ...rest] = call.parts;
    if (first === undefined) call.ended(null);
    else call.ended((rest.length === 0 ? first : Buffer.concat([first, ...rest])).subarray(MESSAGE_HEAD));
  };
  const end = (): void => {
    isLeaving = true;
    socket.destroy();
    for (const stream of [...calls.keys()]) {
      calls.get(stream)!.parts = [];
      finish(stream);
    }
  };
  // Frames of one turn of the event loop leave together.
  const write = (bytes: Buffer): void => {
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    socket.write(bytes);
  };
  const sendWaiting = (): void => {
    for (let next = unsent[0]; next !== undefined && next.length - FRAME_HEAD <= window; next = unsent[0]) {
      unsent.shift();
      window -= next.length - FRAME_HEAD;
      write(next);
    }
  };
  const hear = (type: number, flags: number, stream: number, payload: Buffer): void => {
    switch (type) {
      case FRAME.data:
        received += payload.length;
        if (received >= WINDOW_STEP) {
          write(windowFrame(received));
          received = 0;
        }
        {
          const call = calls.get(stream);
          if (call !== undefined) call.parts = [...call.parts, payload];
        }
        break;
      case FRAME.reset:
        finish(stream);
        return;
      case FRAME.settings:
        if ((flags & ACK) === 0) write(frame(FRAME.settings, { flags: ACK }));
        return;
      case FRAME.ping:
        if ((flags & ACK) === 0) write(frame(FRAME.ping, { flags: ACK, payload: Buffer.from(payload) }));
        return;
      case FRAME.goAway:
        isLeaving = true;
        for (const unheard of [...calls.keys()].filter((each) => each > payload.readUInt32BE(0))) finish(unheard);
        return;
      case FRAME.window:
        if (stream !== 0) return;
        window += payload.readUInt32BE(0);
        sendWaiting();
        return;
    }
    if ((type === FRAME.headers || type === FRAME.data) && (flags & END_STREAM) !== 0) finish(stream);
  };
  socket.on('data', createReader(hear));
  socket.on('error', end);
  socket.on('close', end);
  write(Buffer.concat([PREFACE, settingsFrame, windowFrame(WINDOW_MAX - WINDOW_AT_FIRST)]));

  const call = (method: Buffer, request: Uint8Array, ended: Ended): void => {
    if (isLeaving) {
      process.nextTick(ended, null);
      return;
    }
    const stream = nextStream;
    nextStream += 2;
    calls.set(stream, { ended, parts: [] });
    write(frame(FRAME.headers, { flags: END_HEADERS, stream, payload: method }));
    unsent.push(messageFrame(stream, request));
    sendWaiting();
  };
  return {
    call,
    ask: (method, request) =>
      new Promise((resolve, reject) => {
        const asked = new Error('a call failed; the log of the server may tell why');
        call(method, request, (reply) => {
          if (reply === null) reject(asked);
          else resolve(reply);
        });
      }),
    isLeaving: () => isLeaving,
    close: end,
  };
};

type Hear = (type: number, flags: number, stream: number, payload: Buffer) => void;

const createReader = (hear: Hear): ((chunk: Buffer) => void) => {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (bytes.length >= FRAME_HEAD) {
      const end = FRAME_HEAD + bytes.readUIntBE(0, 3);
      if (bytes.length < end) break;
      hear(bytes.readUInt8(3), bytes.readUInt8(4), bytes.readUInt32BE(5) & WINDOW_MAX, bytes.subarray(FRAME_HEAD, end));
      bytes = bytes.subarray(end);
    }
    rest = bytes;
  };
};

type Parts = { readonly flags?: number; readonly stream?: number; readonly payload?: Uint8Array };

const frame = (type: number, { flags = 0, stream = 0, payload = Buffer.alloc(0) }: Parts = {}): Buffer => {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD + payload.length);
  headOf(bytes, { type, flags, stream, length: payload.length });
  bytes.set(payload, FRAME_HEAD);
  return bytes;
};

/** The whole request and the end of our side. */
const messageFrame = (stream: number, message: Uint8Array): Buffer => {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD + MESSAGE_HEAD + message.length);
  headOf(bytes, { type: FRAME.data, flags: END_STREAM, stream, length: MESSAGE_HEAD + message.length });
  bytes.writeUInt8(0, FRAME_HEAD);
  bytes.writeUInt32BE(message.length, FRAME_HEAD + 1);
  bytes.set(message, FRAME_HEAD + MESSAGE_HEAD);
  return bytes;
};

type Head = { readonly type: number; readonly flags: number; readonly stream: number; readonly length: number };

const headOf = (bytes: Buffer, { type, flags, stream, length }: Head): void => {
  bytes.writeUIntBE(length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(stream, 5);
};

const windowFrame = (bytes: number): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(FRAME.window, { payload });
};

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** No table of headers, no pushed streams, and all the window there is for each stream. */
const settingsFrame = ((): Buffer => {
  const payload = Buffer.alloc(18);
  for (const [at, [id, value]] of [
    [0x1, 0],
    [0x2, 0],
    [0x4, WINDOW_MAX],
  ].entries() as Iterable<[number, [number, number]]>) {
    payload.writeUInt16BE(id, at * 6);
    payload.writeUInt32BE(value, at * 6 + 2);
  }
  return frame(FRAME.settings, { payload });
})();
