/** XML-RPC documents: right ones, ones that lie, and ones that are none. */
import type { Prng } from '../sim/prng.ts';
import { mutated, oddText } from './mutate.ts';

const SCALARS: readonly (readonly [element: string, texts: readonly string[]])[] = [
  ['string', ['words', '', ' spaced ', 'U-1', 'a&amp;b', '&#0;', '&#xD800;', '&lt;', '&', '<![CDATA[<]]>']],
  ['int', ['0', '7', '-1', '2147483648', '', 'seven', `${'0'.repeat(3000)}x`, '9'.repeat(400), '+007', '1.5']],
  ['i8', ['9223372036854775808', '-9007199254740993', '0']],
  ['double', ['1.5', '1e400', 'NaN', 'inf', '-0', `${'1'.repeat(3000)}x`, '.', '1e', '1.7976931348623157e308']],
  ['boolean', ['0', '1', 'true', '2', '']],
  ['nil', ['', 'x']],
  ['base64', ['AAAA', '=', 'A', '='.repeat(3000), 'not base64!']],
  ['dateTime.iso8601', ['20260101T00:00:00', 'whenever', '']],
  ['ex:nil', ['']],
  ['unheard-of', ['x']],
];

/** Keys that a shopfloor answers with, and some that it must not. */
const KEYS = [
  ...['serials.serial_number', 'serials.mlb_serial_number', 'factory.line', 'hwid', 'vpd.ro.region', 'component.has_x'],
  ...[
    'vpd.rw.ubind_attribute',
    'action',
    'faultCode',
    'faultString',
    '__proto__',
    'serial_number',
    'feature_management.x',
  ],
];

const value = (prng: Prng, depth: number): string => {
  if (depth < 4 && prng.chance(0.25)) return struct(prng, depth);
  if (depth < 4 && prng.chance(0.15)) {
    return `<array><data>${Array.from({ length: prng.int(0, 3) }, () => wrapped(prng, depth + 1)).join('')}</data></array>`;
  }
  const [element, texts] = prng.chance(0.95) ? prng.pick(SCALARS.slice(0, -1)) : prng.pick(SCALARS);
  // The first text of each is right; were more of them wrong, no document would be read to its end.
  const text = prng.chance(0.85) ? texts[0] : prng.chance(0.3) ? escaped(oddText(prng)) : prng.pick(texts);
  return `<${element}>${text ?? ''}</${element}>`;
};

const wrapped = (prng: Prng, depth: number): string =>
  prng.chance(0.9) ? `<value>${value(prng, depth)}</value>` : value(prng, depth);

const struct = (prng: Prng, depth: number): string => {
  const members = Array.from({ length: prng.int(0, 5) }, () => {
    const key = prng.chance(0.05) ? escaped(oddText(prng)) : prng.pick(KEYS);
    return `<member><name>${key}</name>${wrapped(prng, depth + 1)}</member>`;
  });
  return `<struct>${members.join('')}</struct>`;
};

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const PROLOGUES = [
  ...['<?xml version="1.0"?>', '<?xml version="1.0"?>', '', '<?xml version="1.0" encoding="utf-8"?>'],
  ...['<?xml version="1.0" encoding="utf-16"?>', '<?xml version="1.0" encoding="latin1"?>', '\uFEFF', '<!-- -->'],
  ...['<?xml version="1.0" encoding="no-such"?>', '<?xml version="1.1"?>', '<?target data?>'],
  '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
  '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
];

/** Things that grow: what is nested, repeated or long beyond what is read. */
const grown = (prng: Prng): string => {
  const n = prng.pick([9, 33, 400, 11_000]);
  return prng.pick([
    () => `${'<value><array><data>'.repeat(n)}${'</data></array></value>'.repeat(n)}`,
    () => `<value><array><data>${'<value/>'.repeat(n)}</data></array></value>`,
    () => `<value><struct>${'<member><name>a</name><value>b</value></member>'.repeat(n)}</struct></value>`,
    () => `<value ${Array.from({ length: n }, (_, i) => `a${String(i)}="x"`).join(' ')}>x</value>`,
    () => `<value>${'&#65;'.repeat(n)}</value>`,
    () => `<value>${'<![CDATA[]]>'.repeat(n)}</value>`,
    () => `<value><int>${prng.pick(['0', '1', ' ']).repeat(n * 40)}x</int></value>`,
    () => `<value><double>${'1'.repeat(n * 40)}x</double></value>`,
    () => `<${'a'.repeat(n * 10)}`,
    () => `<value>${']'.repeat(n * 10)}&gt;</value>`,
  ])();
};

const body = (prng: Prng): string => (prng.chance(0.1) ? grown(prng) : wrapped(prng, 0));

const finished = (prng: Prng, document: string): Buffer => {
  const bytes = Buffer.from((prng.chance(0.7) ? '' : prng.pick(PROLOGUES)) + document);
  const encoded = prng.chance(0.03) ? Buffer.from(`\uFEFF${document}`, 'utf16le') : bytes;
  return prng.chance(0.2) ? mutated(prng, encoded) : encoded;
};

const METHODS = [
  'NotifyStart',
  'NotifyEnd',
  'NotifyEvent',
  'UpdateTestResult',
  'GetDeviceInfo',
  'system.listMethods',
  '',
];

export const callSoup = (prng: Prng): Buffer => {
  const params = Array.from({ length: prng.int(0, 4) }, () => `<param>${body(prng)}</param>`).join('');
  const method = prng.chance(0.1) ? escaped(oddText(prng)) : prng.pick(METHODS);
  return finished(prng, `<methodCall><methodName>${method}</methodName><params>${params}</params></methodCall>`);
};

const CODES = ['-32601', '-32500', '1', '"x"', '', '1e9', '99999999999999999999'];

export const answerSoup = (prng: Prng): Buffer => {
  const fault =
    `<fault><value><struct><member><name>faultCode</name><value><int>${prng.pick(CODES)}</int></value></member>` +
    `<member><name>faultString</name><value>${escaped(oddText(prng))}</value></member></struct></value></fault>`;
  const odd = `<fault>${body(prng)}</fault>`;
  const params = `<params><param>${prng.chance(0.7) ? `<value>${struct(prng, 0)}</value>` : body(prng)}</param></params>`;
  const answer = prng.chance(0.15) ? fault : prng.chance(0.1) ? odd : params;
  return finished(prng, `<methodResponse>${answer}</methodResponse>`);
};
