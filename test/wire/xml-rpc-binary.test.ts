import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BinarySink,
  createXmlRpcReader,
  decodeCall,
  decodeResponse,
  DEFAULT_LIMITS,
  encodeCall,
  encodeResponse,
  type XmlRpcValue,
} from '../../src/wire/xml-rpc.ts';

/** Reads a call whose binaries are taken as they come, in pieces of so many bytes. */
const readTaking = (body: Uint8Array | string, pieceBytes: number, limits = DEFAULT_LIMITS) => {
  const taken = new Map<XmlRpcValue, Buffer>();
  const reader = createXmlRpcReader(limits, (): BinarySink => {
    const standIn = new Uint8Array(0);
    taken.set(standIn, Buffer.alloc(0));
    return { standIn, write: (bytes) => taken.set(standIn, Buffer.concat([taken.get(standIn)!, bytes])) };
  });
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const wrong = reader.write(bytes.subarray(at, at + pieceBytes));
    if (wrong !== null) return { wrong, taken, params: [] };
  }
  const read = reader.end();
  if (read.kind !== 'call') return { wrong: read, taken, params: [] };
  return { wrong: null, taken, params: read.params.map((param) => taken.get(param) ?? param) };
};

const callWith = (inside: string): string =>
  `<?xml version='1.0'?>\n<methodCall>\n<methodName>M</methodName>\n<params>\n<param>\n<value>${inside}</value></param>\n</params>\n</methodCall>\n`;

describe('a base64 value that is taken as it comes', () => {
  test('is what it is when read at once, wherever the pieces are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 90 }), (bytes, pieceBytes) => {
        const body = encodeCall('UploadReport', ['SN-1', bytes, null, 'é<&>]]>']);
        expect(readTaking(body, pieceBytes)).toMatchObject({
          wrong: null,
          params: ['SN-1', Buffer.from(bytes), null, 'é<&>]]>'],
        });
      }),
    );
  });

  test.for<[string, string, string]>([
    ['in lines, as Python writes it', '<base64>\naGVs\nbG8=\n</base64>', 'hello'],
    ['in lines of MIME, escaped', '<base64>aGVs&#13;\nbG8&#xD;\n=</base64>', 'hello'],
    ['with nothing in it', '<base64></base64>', ''],
    ['closed at once', '<base64/>', ''],
    ['without padding', '<base64>aGVsbG8</base64>', 'hello'],
    ['with an attribute', '<base64 a="1">aGVsbG8=</base64>', 'hello'],
    ['with a comment in it', '<base64>aGVs<!-- x -->bG8=</base64>', 'hello'],
    ['as character data', '<base64><![CDATA[aGVs]]>bG8=</base64>', 'hello'],
    ['under the prefix of the extension', '<ex:base64 xmlns:ex="urn:x">aGVsbG8=</ex:base64>', 'hello'],
  ])('%s', ([, inside, text]) => {
    for (let pieceBytes = 1; pieceBytes < 40; pieceBytes += 1)
      expect(readTaking(callWith(inside), pieceBytes).params.map(String)).toEqual([text]);
  });

  test.for([
    '<base64>aGV*bG8=</base64>',
    '<base64>aGV-bG8=</base64>',
    '<base64>aGVébG8=</base64>',
    // Their low bytes are letters.
    '<base64>QUJ\u0141</base64>',
    '<base64>QUJDQUJ\u0141=</base64>',
    '<base64>Q\u0141</base64>',
    '<base64>a</base64>',
    '<base64>aGVsbG8=x</base64>',
    '<base64>aGVsbG8===</base64>',
    '<base64>aGVs&#65;</base64>',
    '<base64>aGVs&amp;</base64>',
    '<base64>aGVs<i4>1</i4></base64>',
    '<base64>aGVs',
  ])('is refused as %s', (inside) => {
    for (const pieceBytes of [1, 7, 500])
      expect(readTaking(callWith(inside), pieceBytes).wrong).toMatchObject({ kind: 'malformed' });
  });

  const spaces = fc.stringMatching(/^[\t\n\r ]{1,3}$/);
  /** Lines of any length, as writers break them, and some that nobody writes. */
  const lines = fc.record({
    bytes: fc.uint8Array({ maxLength: 400 }),
    lineChars: fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 4 }),
    space: spaces,
    pieceBytes: fc.integer({ min: 1, max: 200 }),
  });
  const broken = (text: string, lineChars: readonly number[], space: string): string => {
    let made = '';
    for (let at = 0, line = 0; at < text.length; line += 1) {
      const chars = lineChars[line % lineChars.length]!;
      made += space + text.slice(at, at + chars);
      at += chars;
    }
    return made + space;
  };

  test('may be broken into lines anywhere', () => {
    fc.assert(
      fc.property(lines, ({ bytes, lineChars, space, pieceBytes }) => {
        const text = broken(Buffer.from(bytes).toString('base64'), lineChars, space);
        expect(readTaking(callWith(`<base64>${text}</base64>`), pieceBytes)).toMatchObject({
          wrong: null,
          params: [Buffer.from(bytes)],
        });
      }),
    );
  });

  test('is refused with one letter in it that is none, wherever that is', () => {
    const stranger = fc.constantFrom('-', '_', '*', '.', '\u00e9', '&#65;', '=A', '\u00a0', '\u0141', '\u012d');
    fc.assert(
      fc.property(lines, stranger, fc.nat(), ({ bytes, lineChars, space, pieceBytes }, letter, place) => {
        const text = broken(Buffer.from(bytes).toString('base64').replaceAll('=', ''), lineChars, space);
        const at = place % (text.length + 1);
        const inside = `<base64>${text.slice(0, at)}${letter}${text.slice(at)}</base64>`;
        expect(readTaking(callWith(inside), pieceBytes).wrong).toMatchObject({ kind: 'malformed' });
      }),
    );
  });

  test('counts for no limit, while what stands around it does', () => {
    const limits = { ...DEFAULT_LIMITS, bodyMaxBytes: 1000 };
    const big = encodeCall('M', [new Uint8Array(100_000)]);
    expect(readTaking(big, 4096, limits).wrong).toBeNull();
    expect(decodeCall(big, limits)).toMatchObject({ kind: 'malformed', cause: 'limit' });
    const wordy = encodeCall('M', ['x'.repeat(1001), new Uint8Array(3)]);
    expect(readTaking(wordy, 4096, limits).wrong).toMatchObject({ kind: 'malformed', cause: 'limit' });
  });

  test('is never held, however large it is', () => {
    const piece = randomBytes(3 * 1024 * 1024);
    const [wanted, got] = [createHash('sha256'), createHash('sha256')];
    let longest = 0;
    const reader = createXmlRpcReader(DEFAULT_LIMITS, () => ({
      standIn: new Uint8Array(0),
      write: (bytes) => {
        longest = Math.max(longest, bytes.length);
        got.update(bytes);
      },
    }));
    const [head = '', tail = ''] = callWith('<base64>|</base64>').split('|');
    reader.write(Buffer.from(head));
    for (let times = 0; times < 20; times += 1) {
      wanted.update(piece);
      const text = Buffer.from(piece.toString('base64'));
      for (let at = 0; at < text.length; at += 65_536) reader.write(text.subarray(at, at + 65_536));
    }
    reader.write(Buffer.from(tail));
    expect(reader.end().kind).toBe('call');
    expect(got.digest('hex')).toBe(wanted.digest('hex'));
    expect(longest).toBeLessThanOrEqual(65_536);
  });
});

describe('the word "fault" in a success', () => {
  const everyWord = (value: XmlRpcValue) => encodeResponse(value).match(/\bfault\b/gi);

  test('stands nowhere, and is read back', () => {
    const value = { fault: 'no fault, no FAULT; default', 'factory.a': ['Fault.'] };
    expect(everyWord(value)).toBeNull();
    expect(decodeResponse(encodeResponse(value))).toEqual({ kind: 'value', value });
  });

  test('nor in what base64 happens to spell', () => {
    const value = new Uint8Array(Buffer.from('+fault/+', 'base64'));
    expect(everyWord(value)).toBeNull();
    expect(decodeResponse(encodeResponse(value))).toEqual({ kind: 'value', value });
  });
});
