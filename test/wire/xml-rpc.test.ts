import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { XmlRpcValue } from '../../src/wire/xml-rpc.ts';
import {
  createXmlRpcReader,
  decodeCall,
  decodeResponse,
  DEFAULT_LIMITS,
  DEPTH_MAX,
  encodeCall,
  encodeFault,
  encodeResponse,
  NODES_MAX,
} from '../../src/wire/xml-rpc.ts';

const answerWith = (xml: string): string =>
  `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n${xml}\n</param>\n</params>\n</methodResponse>\n`;
const decodedValue = (xml: string): XmlRpcValue => {
  const answer = decodeResponse(answerWith(xml));
  if (answer.kind !== 'value') throw new Error(JSON.stringify(answer));
  return answer.value;
};

describe('what is written', () => {
  test('a call, byte for byte', () => {
    const device = { 'serials.mlb_serial_number': 'C123', 'factory.start_SMT': true, 'factory.line': null };
    expect(encodeCall('NotifyStart', [device, 'SMT'])).toBe(
      '<?xml version="1.0"?><methodCall><methodName>NotifyStart</methodName><params>' +
        '<param><value><struct>' +
        '<member><name>serials.mlb_serial_number</name><value><string>C123</string></value></member>' +
        '<member><name>factory.start_SMT</name><value><boolean>1</boolean></value></member>' +
        '<member><name>factory.line</name><value><nil/></value></member>' +
        '</struct></value></param>' +
        '<param><value><string>SMT</string></value></param>' +
        '</params></methodCall>',
    );
  });

  test('an answer, byte for byte', () => {
    expect(encodeResponse([1, -0.5, new Uint8Array([1, 2, 3]), false, {}, []])).toBe(
      '<?xml version="1.0"?><methodResponse><params><param><value><array><data>' +
        '<value><int>1</int></value><value><double>-0.5</double></value><value><base64>AQID</base64></value>' +
        '<value><boolean>0</boolean></value><value><struct></struct></value>' +
        '<value><array><data></data></array></value>' +
        '</data></array></value></param></params></methodResponse>',
    );
  });

  test('a fault, byte for byte, and never an empty one', () => {
    const fault = (text: string): string =>
      '<?xml version="1.0"?><methodResponse><fault><value><struct>' +
      '<member><name>faultCode</name><value><int>-32500</int></value></member>' +
      `<member><name>faultString</name><value><string>${text}</string></value></member>` +
      '</struct></value></fault></methodResponse>';
    expect(encodeFault(-32500, 'C123 <not> routed & so on')).toBe(fault('C123 &lt;not&gt; routed &amp; so on'));
    expect(encodeFault(-32500, ' \u0001')).toBe(fault('no reason was given'));
  });

  test.each([
    [2 ** 31 - 1, '<int>2147483647</int>'],
    [-(2 ** 31), '<int>-2147483648</int>'],
    [2 ** 31, '<double>2147483648</double>'],
    [1e21, '<double>1e+21</double>'],
    [-0, '<int>0</int>'],
    [Number.NaN, '<string>NaN</string>'],
    [Number.NEGATIVE_INFINITY, '<string>-Infinity</string>'],
  ])('the number %d as %s', (number, xml) => {
    expect(encodeResponse(number)).toContain(`<value>${xml}</value>`);
  });

  test('strips what XML 1.0 cannot hold: U+0000, control codes, lone surrogates, U+FFFE', () => {
    const text = 'a\u0000b\u001b[31mc\ud800d\udc00e\ufffef\uffff😀\t\n\r';
    expect(encodeResponse(text)).toContain('<string>ab[31mcdef😀\t\n&#13;</string>');
    expect(decodeResponse(encodeResponse(text))).toEqual({ kind: 'value', value: 'ab[31mcdef😀\t\n\r' });
  });
});

describe('what is read', () => {
  test.each<[string, XmlRpcValue]>([
    ['<value>as it is </value>', 'as it is '],
    ['<value/>', ''],
    ['<value></value>', ''],
    ['<value> <int> 7 </int> </value>', 7],
    ['<value><![CDATA[a<b]]>c&amp;&#x41;</value>', 'a<bc&A'],
    ['<value><string/></value>', ''],
    ['<value><i1>-1</i1></value>', -1],
    ['<value><i2>2</i2></value>', 2],
    ['<value><i4>+4</i4></value>', 4],
    ['<value><i8>9007199254740991</i8></value>', 9007199254740991],
    ['<value><i8>9007199254740993</i8></value>', '9007199254740993'],
    ['<value><ex:i8>-0</ex:i8></value>', 0],
    ['<value><biginteger>-0123456789012345678901234567890</biginteger></value>', '-123456789012345678901234567890'],
    ['<value><double>1.5e-3</double></value>', 0.0015],
    ['<value><float>.5</float></value>', 0.5],
    ['<value><bigdecimal>10</bigdecimal></value>', 10],
    ['<value><boolean>1</boolean></value>', true],
    ['<value><boolean>0</boolean></value>', false],
    ['<value><nil/></value>', null],
    ['<value><ex:nil/></value>', null],
    ['<value><base64>AQ\n ID\n</base64></value>', new Uint8Array([1, 2, 3])],
    ['<value><dateTime.iso8601>20260101T00:00:00</dateTime.iso8601></value>', '20260101T00:00:00'],
    ['<nil/>', null],
    ['<struct><member><name>a</name><string>b</string></member></struct>', { a: 'b' }],
    ['<value><struct><member><value>v</value><name>n</name></member></struct></value>', { n: 'v' }],
    ['<value><struct/></value>', {}],
    ['<value><array><data><i4>1</i4><value>x</value></data></array></value>', [1, 'x']],
  ])('%s', (xml, value) => {
    expect(decodedValue(xml)).toEqual(value);
  });

  test('the post-wipe client: a struct without <value>, untyped members, a stray ampersand', () => {
    const body =
      '<methodCall><methodName>NotifyEvent</methodName><params><param><struct>' +
      '<member><name>hwid</name><value>LINK A&B A2C-B3D</value></member>' +
      '<member><name>serial_number</name><value>A1234</value></member>' +
      '</struct></param><param><value><string>Finalize</string></value></param></params></methodCall>';
    expect(decodeCall(body)).toEqual({
      kind: 'call',
      method: 'NotifyEvent',
      params: [{ hwid: 'LINK A&B A2C-B3D', serial_number: 'A1234' }, 'Finalize'],
    });
  });

  test('a call without params, and an answer without a value', () => {
    expect(decodeCall('<methodCall><methodName>GetVersion</methodName></methodCall>')).toEqual({
      kind: 'call',
      method: 'GetVersion',
      params: [],
    });
    expect(decodeResponse('<methodResponse><params/></methodResponse>')).toEqual({ kind: 'value', value: null });
  });

  test.each([
    [
      '<struct><member><name>faultCode</name><int>-1001</int></member><member><name>faultString</name><value>MES: no</value></member></struct>',
      -1001,
      'MES: no',
    ],
    [
      '<struct><member><name>faultString</name><value>no</value></member><member><name>faultCode</name><value>12</value></member></struct>',
      12,
      'no',
    ],
    [
      '<struct><member><name>faultCode</name><value>E_ROUTE</value></member><member><name>faultString</name><value>no</value></member></struct>',
      0,
      'E_ROUTE: no',
    ],
    ['<struct/>', 0, ''],
    ['only words', 0, 'only words'],
  ])('the fault %s', (xml, code, text) => {
    const body = `<methodResponse><fault><value>${xml}</value></fault></methodResponse>`;
    expect(decodeResponse(body)).toEqual({ kind: 'fault', code, text });
  });

  test('a member named __proto__ is a member and changes no prototype', () => {
    const body = encodeResponse(JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as XmlRpcValue);
    const answer = decodeResponse(body);
    expect(answer.kind === 'value' && Object.entries(answer.value as object)).toEqual([
      ['__proto__', { polluted: true }],
      ['constructor', 1],
    ]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('other encodings, by byte order mark or by declaration', () => {
    const latin = Buffer.from(
      `<?xml version="1.0" encoding="ISO-8859-1"?>${encodeResponse('Zürich').slice(21)}`,
      'latin1',
    );
    expect(decodeResponse(latin)).toEqual({ kind: 'value', value: 'Zürich' });
    const big5 = Buffer.concat([
      Buffer.from('<?xml version="1.0" encoding="big5"?><methodResponse><params><param><value>'),
      Buffer.from([0xa4, 0xa4]),
      Buffer.from('</value></param></params></methodResponse>'),
    ]);
    expect(decodeResponse(big5)).toEqual({ kind: 'value', value: '中' });
    const utf16 = Buffer.from(`\ufeff${encodeResponse('線')}`, 'utf16le');
    expect(decodeResponse(utf16)).toEqual({ kind: 'value', value: '線' });
    const bom = Buffer.from(`\ufeff${encodeResponse('線')}`);
    expect(decodeResponse(bom)).toEqual({ kind: 'value', value: '線' });
  });

  test('a byte order mark within a text is a character of it, wherever the bytes are cut', () => {
    const params = ['a\ufeffb', '\ufeff線'];
    const body = Buffer.from(encodeCall('M', params));
    for (let at = 0; at <= body.length; at += 1) {
      const reader = createXmlRpcReader();
      reader.write(body.subarray(0, at));
      reader.write(body.subarray(at));
      expect(reader.end()).toEqual({ kind: 'call', method: 'M', params });
    }
  });
});

describe('what is refused, in a value and never by throwing', () => {
  const deep = (levels: number): string => '<array><data>'.repeat(levels) + '<nil/>' + '</data></array>'.repeat(levels);

  test.each([
    ['nothing', '', 'syntax'],
    ['no XML', 'Internal Server Error', 'syntax'],
    ['HTML', '<html><body>502</body></html>', 'shape'],
    ['an unclosed body', '<methodResponse><params>', 'syntax'],
    ['two roots', `${encodeResponse(1)}<methodResponse/>`, 'syntax'],
    ['a DOCTYPE', `<!DOCTYPE x>${encodeResponse(1)}`, 'doctype'],
    [
      'a DOCTYPE with entities',
      `<!DOCTYPE x [<!ENTITY a "b">]>${answerWith('<value>&a;</value>').slice(21)}`,
      'doctype',
    ],
    ['an undeclared entity', answerWith('<value>&a;</value>'), 'syntax'],
    ['an entity named like a property', answerWith('<value>&constructor;</value>'), 'syntax'],
    ['a raw control code', answerWith('<value>\u0001</value>'), 'syntax'],
    ['a reference to U+0000', answerWith('<value>&#0;</value>'), 'syntax'],
    ['an integer that is none', answerWith('<value><int>1.5</int></value>'), 'shape'],
    ['an empty integer', answerWith('<value><int/></value>'), 'shape'],
    ['a double that is none', answerWith('<value><double>NaN</double></value>'), 'shape'],
    ['a double beyond range', answerWith('<value><double>1e999</double></value>'), 'shape'],
    ['a boolean that is none', answerWith('<value><boolean>2</boolean></value>'), 'shape'],
    ['base64 that is none', answerWith('<value><base64>§</base64></value>'), 'shape'],
    ['two types in a value', answerWith('<value><int>1</int><int>2</int></value>'), 'shape'],
    ['text beside a type', answerWith('<value>x<int>1</int></value>'), 'shape'],
    ['a member without a name', answerWith('<struct><member><value>1</value></member></struct>'), 'shape'],
    ['a member without a value', answerWith('<struct><member><name>n</name></member></struct>'), 'shape'],
    ['an array without data', answerWith('<value><array/></value>'), 'shape'],
    [
      'two answers',
      '<methodResponse><params><param><nil/></param><param><nil/></param></params></methodResponse>',
      'shape',
    ],
    ['an answer that is a fault too', '<methodResponse><params/><fault><struct/></fault></methodResponse>', 'shape'],
    ['an unknown encoding', '<?xml version="1.0" encoding="klingon"?><methodResponse/>', 'shape'],
    ['a call', encodeCall('GetVersion', []), 'shape'],
    ['a depth bomb', answerWith(deep(1000)), 'limit'],
    ['a nodes bomb', answerWith(`<array><data>${'<nil/>'.repeat(NODES_MAX)}</data></array>`), 'limit'],
    ['a body too large', answerWith(`<value>${'x'.repeat(DEFAULT_LIMITS.bodyMaxBytes)}</value>`), 'limit'],
  ])('%s', (_name, body, cause) => {
    expect(decodeResponse(body)).toMatchObject({ kind: 'malformed', cause });
  });

  test('depth and nodes are counted to the last one', () => {
    // methodResponse, params, param, then two for each array, then nil.
    const levels = Math.floor((DEPTH_MAX - 4) / 2);
    expect(decodeResponse(answerWith(deep(levels))).kind).toBe('value');
    expect(decodeResponse(answerWith(deep(levels + 1)))).toMatchObject({ cause: 'limit' });
    const nils = (count: number): string => answerWith(`<array><data>${'<nil/>'.repeat(count)}</data></array>`);
    expect(decodeResponse(nils(NODES_MAX - 5)).kind).toBe('value');
    expect(decodeResponse(nils(NODES_MAX - 4))).toMatchObject({ cause: 'limit' });
  });

  test('a call whose name is missing, blank or given twice', () => {
    expect(decodeCall('<methodCall/>')).toMatchObject({ kind: 'malformed', cause: 'shape' });
    expect(decodeCall('<methodCall><methodName> </methodName></methodCall>')).toMatchObject({ kind: 'malformed' });
    const twice = '<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>';
    expect(decodeCall(twice)).toMatchObject({ kind: 'malformed' });
    expect(decodeCall(encodeResponse(1))).toMatchObject({
      kind: 'malformed',
      why: 'the body is an answer, not a call',
    });
  });

  test('a stray ampersand is mended, an entity is not', () => {
    const call = (text: string): string => encodeCall('M', ['@']).replace('@', text);
    expect(decodeCall(call('a & b &c'))).toMatchObject({ kind: 'call', params: ['a & b &c'] });
    expect(decodeCall(call('&lol; & b'))).toMatchObject({ kind: 'malformed', cause: 'syntax' });
  });

  test('the reader says so at the first chunk that is wrong, and goes on saying it', () => {
    const reader = createXmlRpcReader();
    expect(reader.write(Buffer.from('<methodResponse><params>'))).toBeNull();
    const wrong = reader.write(Buffer.from('<html>'));
    expect(wrong).toEqual({ kind: 'malformed', cause: 'shape', why: '<html> may not stand in <params>' });
    expect(reader.write(Buffer.from('</html>'))).toBe(wrong);
    expect(reader.end()).toBe(wrong);
  });
});

describe('for every value', () => {
  // What XML 1.0 can hold; the rest is stripped, which has its own test.
  const text = fc
    .string({ unit: 'binary' })
    .map((raw) => raw.replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, ''));
  const scalar = fc.oneof(
    text,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array(),
  );
  const { value } = fc.letrec<{ value: XmlRpcValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 6, depthSize: 'small', withCrossShrink: true },
      scalar as fc.Arbitrary<XmlRpcValue>,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(fc.oneof(text, fc.constant('__proto__')), tie('value'), { maxKeys: 5, noNullPrototype: false }),
    ),
  }));
  const plain = (decoded: XmlRpcValue): unknown =>
    decoded instanceof Uint8Array ? [...decoded] : JSON.parse(JSON.stringify(decoded));

  test('what is written is read back the same', () => {
    fc.assert(
      fc.property(value, (written) => {
        const answer = decodeResponse(encodeResponse(written));
        expect(answer.kind).toBe('value');
        if (answer.kind === 'value') expect(plain(answer.value)).toEqual(plain(written));
      }),
    );
  });

  test('a call reads the same in any cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 8 }), (params, cuts) => {
        const body = Buffer.from(encodeCall('NotifyStart', params));
        const edges = [0, ...cuts.map((cut) => cut % body.length).sort((a, b) => a - b), body.length];
        const reader = createXmlRpcReader();
        for (let i = 1; i < edges.length; i += 1) reader.write(body.subarray(edges[i - 1], edges[i]));
        expect(reader.end()).toEqual(decodeCall(body));
      }),
    );
  });

  test('no bytes make the reader throw', () => {
    const fragments = fc.constantFrom(
      ...[
        '<methodCall>',
        '<methodResponse>',
        '<params>',
        '<param>',
        '</param>',
        '<value>',
        '</value>',
        '<struct>',
        '&',
        ';',
      ],
      ...[
        '<member>',
        '<name>',
        '</',
        '>',
        '<!DOCTYPE',
        '<![CDATA[',
        ']]>',
        '<!--',
        '<?xml',
        '?>',
        'encoding="',
        '"',
        ' x=',
      ],
    );
    const soup = fc
      .array(fc.oneof(fragments, fc.string({ unit: 'binary' })), { maxLength: 30 })
      .map((bits) => bits.join(''));
    fc.assert(
      fc.property(
        fc.oneof(
          soup.map((body) => Buffer.from(body)),
          fc.uint8Array({ maxLength: 300 }),
        ),
        (body) => {
          expect(['value', 'fault', 'malformed']).toContain(decodeResponse(body).kind);
          expect(['call', 'malformed']).toContain(decodeCall(body).kind);
        },
      ),
      { numRuns: 500 },
    );
  });
});
