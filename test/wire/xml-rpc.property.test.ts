import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeCall,
  decodeResponse,
  encodeCall,
  encodeFault,
  encodeResponse,
  type XmlRpcValue,
} from '../../src/wire/xml-rpc.ts';

/** Any code units at all: control characters, halves of pairs, non-characters, the ends of the planes. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '\0',
        '\u0008',
        '\r',
        '\r\n',
        '\uD800',
        '\uDFFF',
        '\uFFFE',
        '\uFEFF',
        '\u{10FFFF}',
        ']]>',
        '&#0;',
        '<',
      ),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));

/** What XML 1.0 can carry of it. */
const carried = (text: string): string =>
  text.replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '');

const valueOf = (body: string): XmlRpcValue => {
  const answer = decodeResponse(body);
  if (answer.kind !== 'value') throw new Error(`read as ${JSON.stringify(answer)}`);
  return answer.value;
};

describe('any text', () => {
  it('is written as well-formed XML, and comes back but for what XML cannot carry', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(valueOf(encodeResponse(text))).toBe(carried(text));
        expect(valueOf(encodeResponse({ [text]: text }))).toEqual(
          Object.assign(Object.create(null) as object, Object.fromEntries([[carried(text), carried(text)]])),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('is the name of a method, or the words of a fault', () => {
    fc.assert(
      fc.property(anyText, fc.integer(), (text, code) => {
        const call = decodeCall(encodeCall(text, []));
        const name = carried(text).trim();
        if (name !== '') expect(call).toEqual({ kind: 'call', method: name, params: [] });
        const words = carried(text).trim() === '' ? 'no reason was given' : carried(text);
        expect(decodeResponse(encodeFault(code, text))).toEqual({ kind: 'fault', code, text: words });
      }),
    );
  });
});

describe('any number', () => {
  it('comes back as it went, unless there is no word for it', () => {
    const numbers = fc.oneof(
      fc.double(),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.constantFrom(2 ** 31, -(2 ** 31), 2 ** 31 - 1, 2 ** 53, 5e-324, Number.MAX_VALUE, -0, NaN, Infinity),
    );
    fc.assert(
      fc.property(numbers, (number) => {
        const back = valueOf(encodeResponse(number));
        expect(back).toBe(Number.isFinite(number) ? number + 0 : String(number));
      }),
      { numRuns: 500 },
    );
  });

  it('is read whatever zeros it begins with, and keeps every digit that a number would lose', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.nat(30), (big, zeros) => {
        const digits = `${big < 0n ? '-' : ''}${'0'.repeat(zeros)}${String(big < 0n ? -big : big)}`;
        const body = `<methodResponse><params><param><value><i8>${digits}</i8></value></param></params></methodResponse>`;
        const isSafe = big >= BigInt(Number.MIN_SAFE_INTEGER) && big <= BigInt(Number.MAX_SAFE_INTEGER);
        expect(valueOf(body)).toBe(isSafe ? Number(big) : String(big));
      }),
    );
  });

  // A regular expression that could read its digits in two ways would take the square of their number: hours.
  it.each([
    ['int', '0'],
    ['int', '7'],
    ['double', '0'],
    ['double', '7'],
    ['double', '.'],
    ['base64', '='],
    ['boolean', ' '],
  ])('that is none is refused in one reading: <%s> of a long run of %j', (element, letter) => {
    const text = `${letter.repeat(900_000)}x`;
    const body = `<methodResponse><params><param><value><${element}>${text}</${element}></value></param></params></methodResponse>`;
    const before = process.cpuUsage();
    expect(decodeResponse(body).kind).toBe('malformed');
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(5);
  });
});

it('binary of any bytes and length comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      expect(valueOf(encodeResponse([bytes]))).toEqual([bytes]);
    }),
  );
});
