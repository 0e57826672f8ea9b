/**
 * What a shopfloor's address says calls are written in. A call is journalled as XML-RPC, whatever the dialect; here its
 * bytes become those of the dialect, the same ones at every attempt.
 */
import assert from 'node:assert/strict';
import type { ShopfloorUrl } from '../core/shopfloor-url.ts';
import { decodeJsonRpcAnswer, decodeJsonText, encodeJsonRpcCall, encodeJsonText } from '../wire/json-rpc.ts';
import type { Malformed, XmlRpcCall, XmlRpcFault, XmlRpcResult } from '../wire/xml-rpc.ts';
import { createXmlRpcReader, decodeCall, DEFAULT_LIMITS, encodeCall, toResponse } from '../wire/xml-rpc.ts';

/** Takes an answer as it comes. What `write` returns is final. */
export interface AnswerReader {
  write(chunk: Uint8Array): Malformed | null;
  /** @param isOk whether it came with HTTP status 200. */
  end(isOk: boolean): XmlRpcResult | XmlRpcFault | Malformed;
}

export interface Dialect {
  readonly contentType: string;
  /** Whether an error may come with another HTTP status than 200. */
  readonly errorsByStatus: boolean;
  /** @param body the call as it was journalled. */
  render(body: string, key: string): string;
  createReader(key: string, bodyMaxBytes: number): AnswerReader;
}

export function dialectOf({ protocol, jsonText }: Extract<ShopfloorUrl, { kind: 'url' }>): Dialect {
  const dialect = protocol === 'jsonrpc' ? jsonRpc : xmlRpc;
  return jsonText ? inJsonText(dialect) : dialect;
}

const xmlRpc: Dialect = {
  contentType: 'text/xml; charset=utf-8',
  errorsByStatus: false,
  render: (body) => body,
  createReader(_key, bodyMaxBytes) {
    const reader = createXmlRpcReader({ ...DEFAULT_LIMITS, bodyMaxBytes });
    return { write: (chunk) => reader.write(chunk), end: () => toResponse(reader.end()) };
  },
};

const jsonRpc: Dialect = {
  contentType: 'application/json',
  errorsByStatus: true,
  render(body, key) {
    const { method, params } = journalledCall(body);
    return encodeJsonRpcCall(key, method, params);
  },
  createReader(key, bodyMaxBytes) {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    return {
      write(chunk) {
        bytes += chunk.length;
        if (bytes > bodyMaxBytes) {
          return { kind: 'malformed', cause: 'limit', why: `the body has more than ${String(bodyMaxBytes)} bytes` };
        }
        chunks.push(chunk);
        return null;
      },
      // With another status it may be a gateway that speaks: only the id of the call tells that its service does.
      end: (isOk) =>
        decodeJsonRpcAnswer(
          Buffer.concat(chunks),
          { id: key, errorMayLackId: isOk },
          { ...DEFAULT_LIMITS, bodyMaxBytes },
        ),
    };
  },
};

/** The same, where every argument and the result is a string that holds JSON. */
function inJsonText(dialect: Dialect): Dialect {
  return {
    ...dialect,
    render(body, key) {
      const { method, params } = journalledCall(body);
      return dialect.render(encodeCall(method, params.map(encodeJsonText)), key);
    },
    createReader(key, bodyMaxBytes) {
      const reader = dialect.createReader(key, bodyMaxBytes);
      return {
        write: (chunk) => reader.write(chunk),
        end(isOk) {
          const answer = reader.end(isOk);
          return answer.kind === 'value' ? decodeJsonText(answer.value, { ...DEFAULT_LIMITS, bodyMaxBytes }) : answer;
        },
      };
    },
  };
}

function journalledCall(body: string): XmlRpcCall {
  const call = decodeCall(body, { bodyMaxBytes: Infinity, depthMax: Infinity, nodesMax: Infinity });
  assert(call.kind === 'call', 'a journalled body is a call');
  return call;
}
