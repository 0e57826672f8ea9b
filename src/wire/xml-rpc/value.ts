/** What XML-RPC can say, as plain values, and the limits under which it is read. */

/**
 * A value of XML-RPC with the nil extension.
 *
 * - `number`: `<int>` and `<double>` alike. A whole number that fits 32 bits is written as `<int>`, every other as
 *   `<double>`: Python peers refuse to send, and some to read, longer integers. So a whole double comes back as an int.
 * - An integer beyond ±(2^53 − 1) is read as its decimal digits, a `string`: no digit is lost, and JSON can hold it.
 * - `<dateTime.iso8601>` is read as its text: it has no time zone, and so is no `Date`. It is never written.
 * - `Uint8Array`: `<base64>`.
 */
export type XmlRpcValue = string | number | boolean | null | Uint8Array | readonly XmlRpcValue[] | XmlRpcStruct;

/** A struct. Those we read have no prototype, so that a member named `__proto__` is a member like any other. */
export interface XmlRpcStruct {
  readonly [name: string]: XmlRpcValue;
}

export function isXmlRpcArray(value: XmlRpcValue): value is readonly XmlRpcValue[] {
  return Array.isArray(value);
}

export function isXmlRpcStruct(value: XmlRpcValue): value is XmlRpcStruct {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && !isXmlRpcArray(value);
}

/** The largest body read, in bytes, uploads apart. */
export const BODY_MAX_BYTES = 1024 * 1024;
/** The deepest nesting of XML elements; one level of struct or array costs three. */
export const DEPTH_MAX = 32;
/** The most XML elements in one body. */
export const NODES_MAX = 10_000;

export interface XmlRpcLimits {
  readonly bodyMaxBytes: number;
  readonly depthMax: number;
  readonly nodesMax: number;
}

export const DEFAULT_LIMITS: XmlRpcLimits = {
  bodyMaxBytes: BODY_MAX_BYTES,
  depthMax: DEPTH_MAX,
  nodesMax: NODES_MAX,
};

export interface XmlRpcCall {
  readonly kind: 'call';
  readonly method: string;
  readonly params: readonly XmlRpcValue[];
}

/** A fault the peer answered. `code` is 0 where the peer sent none that is a number. */
export interface XmlRpcFault {
  readonly kind: 'fault';
  readonly code: number;
  readonly text: string;
}

export interface XmlRpcResult {
  readonly kind: 'value';
  readonly value: XmlRpcValue;
}

/**
 * A body that is no XML-RPC message, and in which way: not well-formed XML, XML of another shape, a document type
 * declaration, or more than the limits allow.
 */
export interface Malformed {
  readonly kind: 'malformed';
  readonly cause: 'syntax' | 'shape' | 'doctype' | 'limit';
  readonly why: string;
}

export type XmlRpcMessage = XmlRpcCall | XmlRpcResult | XmlRpcFault;

/** Carries a `Malformed` out of the parser's callbacks; never leaves the codec. */
export class MalformedError extends Error {
  readonly malformed: Malformed;

  constructor(cause: Malformed['cause'], why: string) {
    super(why);
    this.malformed = { kind: 'malformed', cause, why };
  }
}
