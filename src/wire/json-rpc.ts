/**
 * JSON-RPC 1.0 and 2.0, for the values of XML-RPC: bytes to plain values and back. Reading never throws. Which of the
 * versions a shopfloor speaks nobody writes down, so that calls fit both, and answers of both are read.
 */
import type {
  Malformed,
  XmlRpcCall,
  XmlRpcFault,
  XmlRpcLimits,
  XmlRpcResult,
  XmlRpcStruct,
  XmlRpcValue,
} from './xml-rpc/value.ts';
import { DEFAULT_LIMITS, isXmlRpcArray, MalformedError } from './xml-rpc/value.ts';

/** What a call is known by; an answer repeats it. */
export type JsonRpcId = string | number | null;

export interface JsonRpcCall extends XmlRpcCall {
  readonly id: JsonRpcId;
  /** 2.0 says so in the call; 1.0 says nothing. */
  readonly version: '1.0' | '2.0';
}

/** XML costs three levels of nesting where JSON costs one. */
const XML_LEVELS_A_LEVEL = 3;

export function encodeJsonRpcCall(id: string, method: string, params: readonly XmlRpcValue[]): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params: params.map(toJson) });
}

/** Each version forbids what the other demands: 1.0 has `error: null`, 2.0 says its number. */
export function encodeJsonRpcResult({ id, version }: Pick<JsonRpcCall, 'id' | 'version'>, value: XmlRpcValue): string {
  const result = toJson(value);
  return JSON.stringify(version === '1.0' ? { result, error: null, id } : { jsonrpc: version, result, id });
}

export function encodeJsonRpcError(
  { id, version }: Pick<JsonRpcCall, 'id' | 'version'>,
  code: number,
  message: string,
): string {
  const error = { code, message };
  return JSON.stringify(version === '1.0' ? { result: null, error, id } : { jsonrpc: version, error, id });
}

/** Reads a call; arguments must be positional, as the Shopfloor Service has them. */
export function decodeJsonRpcCall(body: Uint8Array, limits: XmlRpcLimits = DEFAULT_LIMITS): JsonRpcCall | Malformed {
  return guarded(() => {
    const { jsonrpc = null, method = null, params = [], id = null } = toStruct(readJson(body, limits), 'the call');
    if (typeof method !== 'string' || method === '') throw shape('the method has no name');
    if (!isXmlRpcArray(params)) throw shape('the arguments are not positional: params must be an array');
    if (id !== null && typeof id !== 'string' && typeof id !== 'number') throw shape('the id is no string or number');
    return { kind: 'call', method, params, id, version: jsonrpc === null ? '1.0' : '2.0' };
  });
}

/** Which call an answer must be to. */
export interface ToCall {
  readonly id: string;
  /** Whether an error may come without it, from a server that could not read the call. */
  readonly errorMayLackId: boolean;
}

/** Reads an answer: the one value it returns, or the error as a fault. */
export function decodeJsonRpcAnswer(
  body: Uint8Array,
  { id, errorMayLackId }: ToCall,
  limits: XmlRpcLimits = DEFAULT_LIMITS,
): XmlRpcResult | XmlRpcFault | Malformed {
  return guarded(() => {
    const answer = toStruct(readJson(body, limits), 'the answer');
    const { error = null, id: answered = null } = answer;
    // What a gateway says of its own troubles often has an `error` too, and is no answer of the service.
    const isAnswer = 'jsonrpc' in answer || 'result' in answer;
    if (!isAnswer) throw shape('the answer is no JSON-RPC');
    const lacksId = answered === null && error !== null && errorMayLackId;
    if (answered !== id && !lacksId) throw shape('the answer is to another call');
    if (error !== null) return toFault(error);
    if (!('result' in answer)) throw shape('the answer has neither a result nor an error');
    return { kind: 'value', value: answer['result'] ?? null };
  });
}

/** A value as JSON text, as the prefix `json:` has it. */
export function encodeJsonText(value: XmlRpcValue): string {
  return JSON.stringify(toJson(value));
}

/** Reads what `encodeJsonText` wrote, or a peer did. */
export function decodeJsonText(text: XmlRpcValue, limits: XmlRpcLimits = DEFAULT_LIMITS): XmlRpcResult | Malformed {
  return guarded(() => {
    if (typeof text !== 'string') throw shape('the value is not a string that holds JSON');
    return { kind: 'value', value: readJson(Buffer.from(text), limits) };
  });
}

function guarded<T>(read: () => T): T | Malformed {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedError) return error.malformed;
    throw error;
  }
}

function readJson(body: Uint8Array, limits: XmlRpcLimits): XmlRpcValue {
  if (body.byteLength > limits.bodyMaxBytes) throw tooMuch('bytes', limits.bodyMaxBytes);
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    throw new MalformedError('syntax', 'the body is not JSON');
  }
  return toValue(parsed, { limits, nodes: { count: 0 }, depth: 1 });
}

interface Place {
  readonly limits: XmlRpcLimits;
  /** Shared by all places of one body. */
  readonly nodes: { count: number };
  readonly depth: number;
}

/** What JSON.parse made, with the limits that XML has. */
function toValue(parsed: unknown, place: Place): XmlRpcValue {
  const { limits, nodes, depth } = place;
  nodes.count += 1;
  if (nodes.count > limits.nodesMax) throw tooMuch('values', limits.nodesMax);
  if (depth * XML_LEVELS_A_LEVEL > limits.depthMax) {
    throw tooMuch('levels of nesting', Math.floor(limits.depthMax / XML_LEVELS_A_LEVEL));
  }
  if (typeof parsed !== 'object' || parsed === null) return parsed as string | number | boolean | null;
  const below = { ...place, depth: depth + 1 };
  if (Array.isArray(parsed)) return parsed.map((member) => toValue(member, below));
  const struct = Object.create(null) as Record<string, XmlRpcValue>;
  for (const [name, member] of Object.entries(parsed)) struct[name] = toValue(member, below);
  return struct;
}

function toStruct(value: XmlRpcValue, what: string): XmlRpcStruct {
  if (typeof value !== 'object' || value === null || isXmlRpcArray(value)) throw shape(`${what} is no JSON object`);
  return value as XmlRpcStruct;
}

/** 2.0 has a code and a message, and `data` where servers put what really happened; of 1.0 anything may come. */
function toFault(error: XmlRpcValue): XmlRpcFault {
  if (typeof error !== 'object' || error === null || isXmlRpcArray(error) || error instanceof Uint8Array) {
    return { kind: 'fault', code: 0, text: typeof error === 'string' ? error : encodeJsonText(error) };
  }
  const { code = null, message = null, data = null } = error;
  const words = typeof message === 'string' ? message : encodeJsonText(error);
  const more = typeof data === 'string' && data !== '' ? `${words}: ${data}` : words;
  return { kind: 'fault', code: typeof code === 'number' ? code : 0, text: more };
}

/** JSON has no binary, which goes as base64, and no infinities, which go as text as they do in XML. */
function toJson(value: XmlRpcValue): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (isXmlRpcArray(value)) return value.map(toJson);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJson(member)]));
}

function shape(why: string): MalformedError {
  return new MalformedError('shape', why);
}

function tooMuch(what: string, max: number): MalformedError {
  return new MalformedError('limit', `the body has more than ${String(max)} ${what}`);
}
