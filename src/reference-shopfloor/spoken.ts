/** What a caller speaks: XML-RPC, or JSON-RPC when its body is JSON; with every value as a JSON text where so told. */
import {
  decodeJsonRpcCall,
  decodeJsonText,
  encodeJsonRpcError,
  encodeJsonRpcResult,
  encodeJsonText,
} from '../wire/json-rpc.ts';
import type { Malformed, XmlRpcFault, XmlRpcResult, XmlRpcValue } from '../wire/xml-rpc.ts';
import { decodeCall, encodeFault, encodeResponse } from '../wire/xml-rpc.ts';

export interface ReadCall {
  readonly kind: 'call';
  readonly method: string;
  readonly params: readonly XmlRpcValue[];
}

/** A body as it was read, and how it is answered. */
export interface Spoken {
  readonly protocol: 'xmlrpc' | 'jsonrpc';
  readonly call: ReadCall | Malformed;
  readonly contentType: string;
  readonly encode: (answer: XmlRpcResult | XmlRpcFault) => string;
}

/** @param jsonText what a caller whose address begins with `json:` expects. */
export function hear(body: Buffer, { jsonText }: { readonly jsonText: boolean }): Spoken {
  const spoken = /^\s*[{[]/.test(body.subarray(0, 64).toString('latin1')) ? hearJson(body) : hearXml(body);
  if (!jsonText) return spoken;
  return {
    ...spoken,
    call: spoken.call.kind === 'call' ? fromJsonText(spoken.call) : spoken.call,
    encode: (answer) =>
      spoken.encode(answer.kind === 'value' ? { kind: 'value', value: encodeJsonText(answer.value) } : answer),
  };
}

function hearXml(body: Buffer): Spoken {
  return {
    protocol: 'xmlrpc',
    call: decodeCall(body),
    contentType: 'text/xml; charset=utf-8',
    encode: (answer) =>
      answer.kind === 'value' ? encodeResponse(answer.value) : encodeFault(answer.code, answer.text),
  };
}

function hearJson(body: Buffer): Spoken {
  const call = decodeJsonRpcCall(body);
  const to = call.kind === 'call' ? call : ({ id: null, version: '2.0' } as const);
  return {
    protocol: 'jsonrpc',
    call,
    contentType: 'application/json',
    encode: (answer) =>
      answer.kind === 'value'
        ? encodeJsonRpcResult(to, answer.value)
        : encodeJsonRpcError(to, answer.code, answer.text),
  };
}

function fromJsonText(call: ReadCall): ReadCall | Malformed {
  const params: XmlRpcValue[] = [];
  for (const param of call.params) {
    const read = decodeJsonText(param);
    if (read.kind === 'malformed') return read;
    params.push(read.value);
  }
  return { ...call, params };
}
