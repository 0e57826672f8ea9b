/**
 * XML-RPC with the nil extension: bytes to plain values and back. Reading never throws, whatever the peer sent, and
 * takes what real peers send: untyped values, values without `<value>`, `ex:` types, faults on HTTP 200.
 */
import { createXmlRpcReader } from './xml-rpc/reader.ts';
import type { Malformed, XmlRpcCall, XmlRpcFault, XmlRpcLimits, XmlRpcMessage, XmlRpcResult } from './xml-rpc/value.ts';
import { DEFAULT_LIMITS } from './xml-rpc/value.ts';

export type { BinarySink, BinaryTaker } from './xml-rpc/binary.ts';
export { encodeCall, encodeFault, encodeResponse } from './xml-rpc/encode.ts';
export { createXmlRpcReader } from './xml-rpc/reader.ts';
export type { XmlRpcReader } from './xml-rpc/reader.ts';
export {
  BODY_MAX_BYTES,
  DEFAULT_LIMITS,
  DEPTH_MAX,
  isXmlRpcArray,
  isXmlRpcStruct,
  NODES_MAX,
} from './xml-rpc/value.ts';
export type {
  Malformed,
  XmlRpcCall,
  XmlRpcFault,
  XmlRpcLimits,
  XmlRpcMessage,
  XmlRpcResult,
  XmlRpcStruct,
  XmlRpcValue,
} from './xml-rpc/value.ts';

/** An ampersand that begins no reference. A named entity is not stray: it is refused. */
const STRAY_AMPERSAND = /&(?!#?\w+;)/g;

/**
 * Reads a call. The post-wipe client in the field escapes nothing, so a body that fails at a stray `&` is read once
 * more with that escaped (F-WIRE-3).
 */
export function decodeCall(body: Uint8Array | string, limits: XmlRpcLimits = DEFAULT_LIMITS): XmlRpcCall | Malformed {
  const bytes = toBytes(body);
  const call = toCall(decode(bytes, limits));
  if (call.kind === 'call' || call.cause !== 'syntax') return call;
  const mended = mendCall(bytes);
  return mended === null ? call : toCall(decode(mended, limits));
}

/** The body with its stray ampersands escaped; null: it has none. */
export function mendCall(body: Buffer): Buffer | null {
  // Latin-1 keeps every byte as it is, whatever the encoding of the body.
  const text = body.toString('latin1');
  const mended = text.replace(STRAY_AMPERSAND, '&amp;');
  return mended === text ? null : Buffer.from(mended, 'latin1');
}

/** Reads an answer: the one value it returns, or the fault. */
export function decodeResponse(
  body: Uint8Array | string,
  limits: XmlRpcLimits = DEFAULT_LIMITS,
): XmlRpcResult | XmlRpcFault | Malformed {
  return toResponse(decode(toBytes(body), limits));
}

/** Narrows what a reader ended with to a call. */
export function toCall(message: XmlRpcMessage | Malformed): XmlRpcCall | Malformed {
  if (message.kind === 'call' || message.kind === 'malformed') return message;
  return { kind: 'malformed', cause: 'shape', why: 'the body is an answer, not a call' };
}

/** Narrows what a reader ended with to an answer. */
export function toResponse(message: XmlRpcMessage | Malformed): XmlRpcResult | XmlRpcFault | Malformed {
  if (message.kind !== 'call') return message;
  return { kind: 'malformed', cause: 'shape', why: 'the body is a call, not an answer' };
}

function decode(body: Uint8Array, limits: XmlRpcLimits): XmlRpcMessage | Malformed {
  const reader = createXmlRpcReader(limits);
  return reader.write(body) ?? reader.end();
}

function toBytes(body: Uint8Array | string): Buffer {
  return typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}
