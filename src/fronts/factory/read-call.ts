/**
 * The body of a call, read as it comes: whatever its size, what is in memory is small. That is the body itself where it may have
 * to be read again, two batches of the binary that comes in, and of each that came before it what is not worth a file.
 */
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
import { createKeptBody } from './kept-body.ts';
import { piecesOf } from './pieces.ts';

export type CallRead =
  | {
      readonly kind: 'call';
      readonly call: XmlRpcCall;
      /** Of the body as it came, or of what it says where that is large; in hex. Most calls are asked for none. */
      readonly sha256: () => string;
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
      const mended = mendCall(read.body);
      if (mended === null) return { kind: 'malformed', why: read.why };
      await tray.clear();
      const reader = createXmlRpcReader(DEFAULT_LIMITS, tray.take);
      const call = toCall(reader.write(mended) ?? reader.end());
      const objection = tray.objection();
      if (call.kind === 'malformed' || objection !== null) return { kind: 'malformed', why: objection ?? read.why };
      return { kind: 'call', call, sha256: () => sha256Of(read.body), binaries: await tray.end() };
    },
    over: () => tray.clear(),
  };
};

type BodyRead = CallRead | { readonly kind: 'syntax'; readonly why: string; readonly body: Buffer };

const readBody = async (request: IncomingMessage, tray: Tray): Promise<BodyRead> => {
  const kept = createKeptBody(MENDED_BYTES_MAX);
  const reader = createXmlRpcReader(DEFAULT_LIMITS, tray.take);
  let wrong: ReturnType<typeof reader.write> = null;
  for await (const piece of piecesOf(request)) {
    kept.add(piece);
    // What is wrong with its syntax may be mended once all of it is here.
    if (wrong === null) wrong = reader.write(piece);
    if (wrong !== null && (wrong.cause !== 'syntax' || !kept.isWhole())) return { kind: 'malformed', why: wrong.why };
    if (tray.isEmpty()) continue;
    await tray.drain();
    const objection = tray.objection();
    if (objection !== null) return { kind: 'malformed', why: objection };
  }
  if (!request.complete) return { kind: 'gone' };
  const call = toCall(wrong ?? reader.end());
  const body = kept.whole();
  if (call.kind === 'call') {
    const binaries = await tray.end();
    return { kind: 'call', call, sha256: () => sha256Of(body ?? meaningOf(call, binaries)), binaries };
  }
  if (call.cause !== 'syntax' || body === null) return { kind: 'malformed', why: call.why };
  return { kind: 'syntax', why: call.why, body };
};

const sha256Of = (said: Buffer | string): string => createHash('sha256').update(said).digest('hex');

/** What is large has been hashed once, as a binary. */
const meaningOf = ({ method, params }: XmlRpcCall, binaries: ReadonlyMap<unknown, Received>): string =>
  JSON.stringify([method, params], (_, value: unknown) => {
    const binary = binaries.get(value);
    return binary === undefined ? value : { sha256: binary.sha256 };
  });

type Tray = {
  readonly take: () => BinarySink;
  /** As that of most calls is. */
  readonly isEmpty: () => boolean;
  /** To be waited for before more of the body is read. */
  readonly drain: () => Promise<void>;
  /** In words, what is too much; null: nothing is. */
  readonly objection: () => string | null;
  readonly end: () => Promise<ReadonlyMap<XmlRpcValue, Received>>;
  readonly clear: () => Promise<void>;
};

/** Where the binaries of one call are put. */
const createTray = (depot: Pick<Depot, 'receive'>, { factory, uploads }: Pick<Limits, 'factory' | 'uploads'>): Tray => {
  /** In the order in which they came. */
  const lying: (readonly [standIn: Uint8Array, receiving: Receiving])[] = [];
  /** The first of these, of which all is here. */
  const ended = new Map<XmlRpcValue, Received>();
  let bytes = 0;
  const objection = (): string | null => {
    if (lying.length > factory.binariesMax) return `the call has more than ${factory.binariesMax} binary values`;
    return bytes > uploads.fileBytesMax
      ? `the call has more than ${uploads.fileBytesMax} bytes of binary values`
      : null;
  };
  const clear = async (): Promise<void> => {
    if (lying.length === 0) return;
    await Promise.all(lying.map(([, receiving]) => receiving.discard()));
    lying.length = 0;
    ended.clear();
    bytes = 0;
  };
  const end = async (those: typeof lying): Promise<void> => {
    for (const [standIn, receiving] of those) ended.set(standIn, await receiving.end());
  };
  return {
    objection,
    clear,
    isEmpty: () => lying.length === 0,
    take: () => {
      const standIn = new Uint8Array(0);
      const receiving = depot.receive();
      lying.push([standIn, receiving]);
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
      const open = lying.slice(ended.size);
      const newest = open.pop();
      // One is over where the next begins: it holds no batches while that comes in.
      await end(open);
      await newest?.[1].drain();
    },
    end: async () => {
      await end(lying.slice(ended.size));
      return ended;
    },
  };
};
