import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeJsonRpcAnswer,
  decodeJsonRpcCall,
  decodeJsonText,
  encodeJsonRpcCall,
  encodeJsonRpcError,
  encodeJsonRpcResult,
  encodeJsonText,
} from '../../src/wire/json-rpc.ts';
import type { XmlRpcValue } from '../../src/wire/xml-rpc.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

const scalar = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
  fc.boolean(),
  fc.constant(null),
);
const value: fc.Arbitrary<XmlRpcValue> = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 5 }),
  fc.dictionary(fc.string(), scalar, { maxKeys: 5 }),
);

const TO_CALL = { id: 'k', errorMayLackId: true };

describe('what is written', () => {
  it('is read back, calls with their arguments and answers with their value', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 4 }), value, (params, result) => {
        const call = decodeJsonRpcCall(bytes(encodeJsonRpcCall('k', 'NotifyStart', params)));
        expect(call).toEqual({ kind: 'call', id: 'k', version: '2.0', method: 'NotifyStart', params });
        for (const version of ['1.0', '2.0'] as const) {
          const answer = decodeJsonRpcAnswer(bytes(encodeJsonRpcResult({ id: 'k', version }, result)), TO_CALL);
          expect(answer).toEqual({ kind: 'value', value: result });
        }
        expect(decodeJsonText(encodeJsonText(result))).toEqual({ kind: 'value', value: result });
      }),
    );
  });

  it('has base64 for binary and text for infinities, which JSON lacks', () => {
    expect(encodeJsonText([new Uint8Array([1, 2]), Infinity])).toBe('["AQI=","Infinity"]');
  });

  it.for(['1.0', '2.0'] as const)('says an error as %s has it', (version) => {
    const fault = { kind: 'fault', code: -5, text: 'not routed' };
    expect(decodeJsonRpcAnswer(bytes(encodeJsonRpcError({ id: 'k', version }, -5, 'not routed')), TO_CALL)).toEqual(
      fault,
    );
  });
});

describe('what is read', () => {
  it.for([
    ['', 'not JSON'],
    ['[]', 'the call is no JSON object'],
    ['{"method":""}', 'the method has no name'],
    ['{"method":"A","params":{"data":1}}', 'not positional'],
    ['{"method":"A","id":{}}', 'the id is no string or number'],
    [`{"method":"A","params":[${'['.repeat(50_000)}${']'.repeat(50_000)}]}`, 'levels of nesting'],
  ])('is no call when it is %.40s', ([text, why]) => {
    expect(decodeJsonRpcCall(bytes(text!))).toMatchObject({ kind: 'malformed', why: expect.stringContaining(why!) });
  });

  it('takes a call of 1.0, which says no version', () => {
    expect(decodeJsonRpcCall(bytes('{"method":"GetVersion","params":[],"id":1}'))).toEqual({
      ...{ kind: 'call', method: 'GetVersion', params: [], id: 1, version: '1.0' },
    });
  });

  it('keeps a member named __proto__ a member', () => {
    const answer = decodeJsonRpcAnswer(
      bytes('{"jsonrpc":"2.0","id":"k","result":{"__proto__":{"polluted":1}}}'),
      TO_CALL,
    );
    expect(answer).toMatchObject({ kind: 'value' });
    expect(Object.keys((answer as { value: object }).value)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(bytes)), (body) => {
        expect(['call', 'malformed']).toContain(decodeJsonRpcCall(body).kind);
        expect(['value', 'fault', 'malformed']).toContain(decodeJsonRpcAnswer(body, TO_CALL).kind);
      }),
    );
  });
});
