/** The body of a call, read as it comes: whatever its size, what is in memory is small. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Limits } from '../../core/limits.ts';
import type { Depot } from '../../uploads/depot.ts';
import type { Received, Receiving } from '../../uploads/received.ts';
import {
  type BinarySink,
  createXmlRpcReader,
  DEFAULT_LIMITS,
  mendCall,
  toCall,
  type XmlRpcCall,
  type XmlRpcValue,
} from '../../wire/xml-rpc.ts';

export type CallRead =
  | {
      readonly kind: 'call';
      readonly call: XmlRpcCall;
      /** Of the body as it came, in hex. */
      readonly sha256: string;
      /** What stands for a binary in the call, and the binary. */
      readonly binaries: ReadonlyMap<XmlRpcValue, Received>;
    }
  | { readonly kind: 'malformed'; readonly why: string }
  /** Its client has left in the middle of it. */
  | { readonly kind: 'gone' };

export type CallReading = {
  /** @throws Refusal UNAVAILABLE; errors of the disk. */
  readonly read: () => Promise<CallRead>;
  /** To be told when the call is over: what is left of its binaries goes. */
  readonly over: () => Promise<void>;
};

/** So much of a body is kept to be read a second time, in the case of clients that escape nothing. */
const MENDED_BYTES_MAX = DEFAULT_LIMITS.bodyMaxBytes;

export const readCall = (
  request: IncomingMessage,
  depot: Pick<Depot, 'receive'>,
  limits: Pick<Limits, 'factory' | 'uploads'>,
): CallReading => {
  const tray = createTray(depot, limits);
  return {
    read: async () => {
      const read = await readBody(request, tray);
      if (read.kind !== 'syntax') return read;
      const mended = read.body === null ? null : mendCall(read.body);
      if (mended === null) return { kind: 'malformed', why: read.why };
      await tray.clear();
      const reader = createXmlRpcReader(DEFAULT_LIMITS, tray.take);
      const call = toCall(reader.write(mended) ?? reader.end());
      if (call.kind === 'malformed') return { kind: 'malformed', why: read.why };
      return { kind: 'call', call, sha256: read.sha256, binaries: await tray.end() };
    },
    over: () => tray.clear(),
  };
};

type BodyRead =
  CallRead | { readonly kind: 'syntax'; readonly why: string; readonly body: Buffer | null; readonly sha256: string };

const readBody = async (request: IncomingMessage, tray: Tray): Promise<BodyRead> => {
  const hash = createHash('sha256');
  const reader = createXmlRpcReader(DEFAULT_LIMITS, tray.take);
  let kept: Buffer[] | null = [];
  let keptBytes = 0;
  let wrong: ReturnType<typeof reader.write> = null;
  try {
    for await (const piece of chunksOf(request)) {
      hash.update(piece);
      keptBytes += piece.length;
      if (keptBytes > MENDED_BYTES_MAX) kept = null;
      kept?.push(piece);
      // What is wrong with its syntax may be mended once all of it is here.
      if (wrong === null) wrong = reader.write(piece);
      if (wrong !== null && (wrong.cause !== 'syntax' || kept === null)) return { kind: 'malformed', why: wrong.why };
      await tray.drain();
      const objection = tray.objection();
      if (objection !== null) return { kind: 'malformed', why: objection };
    }
  } catch (error) {
    if (request.destroyed && !request.complete) return { kind: 'gone' };
    throw error;
  }
  if (!request.complete) return { kind: 'gone' };
  const call = toCall(wrong ?? reader.end());
  const sha256 = hash.digest('hex');
  if (call.kind === 'call') return { kind: 'call', call, sha256, binaries: await tray.end() };
  if (call.cause !== 'syntax') return { kind: 'malformed', why: call.why };
  return { kind: 'syntax', why: call.why, body: kept === null ? null : Buffer.concat(kept), sha256 };
};

/** Leaving it in the middle does not end the connection: there is still an answer to be sent. */
const chunksOf = (request: IncomingMessage): AsyncIterable<Buffer> =>
  toBuffers(request.iterator({ destroyOnReturn: false }));

/** A request without an encoding gives buffers, which its type does not say. */
function toBuffers(chunks: AsyncIterable<unknown>): AsyncIterable<Buffer> {
  return chunks as AsyncIterable<Buffer>;
}

type Tray = {
  readonly take: () => BinarySink;
  readonly drain: () => Promise<void>;
  /** In words, what is too much; null: nothing is. */
  readonly objection: () => string | null;
  readonly end: () => Promise<ReadonlyMap<XmlRpcValue, Received>>;
  readonly clear: () => Promise<void>;
};

/** Where the binaries of one call are put. */
const createTray = (depot: Pick<Depot, 'receive'>, { factory, uploads }: Pick<Limits, 'factory' | 'uploads'>): Tray => {
  const lying = new Map<Uint8Array, Receiving>();
  let bytes = 0;
  const objection = (): string | null => {
    if (lying.size > factory.binariesMax) return `the call has more than ${factory.binariesMax} binary values`;
    return bytes > uploads.fileBytesMax
      ? `the call has more than ${uploads.fileBytesMax} bytes of binary values`
      : null;
  };
  const clear = async (): Promise<void> => {
    await Promise.all([...lying.values()].map((each) => each.discard()));
    lying.clear();
    bytes = 0;
  };
  return {
    objection,
    clear,
    take: () => {
      const standIn = new Uint8Array(0);
      const receiving = depot.receive();
      lying.set(standIn, receiving);
      return {
        standIn,
        write: (piece) => {
          bytes += piece.length;
          // What is too much is refused as soon as this piece of the body is read.
          if (objection() === null) receiving.write(piece);
        },
      };
    },
    drain: async () => {
      for (const each of lying.values()) await each.drain();
    },
    end: async () => {
      const ended = [...lying].map(async ([standIn, receiving]) => [standIn, await receiving.end()] as const);
      return new Map(await Promise.all(ended));
    },
  };
};
