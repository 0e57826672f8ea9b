/** Plain values to XML-RPC text, in the small dialect every peer can read. */
import type { XmlRpcValue } from './value.ts';
import { isXmlRpcArray } from './value.ts';

const DECLARATION = '<?xml version="1.0"?>';
const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;

/** Everything outside the `Char` production of XML 1.0; a lone surrogate half is outside too. */
const ILLEGAL_IN_XML = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
/** What stands for itself, as nearly every text does. */
const PLAIN = /^[\x20-\x25\x27-\x3b\x3d\x3f-\x7e]*$/;
const WORD_FAULT = /\bfault\b/gi;
const TO_ESCAPE = /[&<>\r]/g;
// A bare carriage return would be read back as a line feed.
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' };

export function encodeCall(method: string, params: readonly XmlRpcValue[]): string {
  const rendered = params.map((param) => `<param>${encodeValue(param)}</param>`).join('');
  const name = `<methodName>${escapeText(method)}</methodName>`;
  return `${DECLARATION}<methodCall>${name}<params>${rendered}</params></methodCall>`;
}

/**
 * The post-wipe client in the field takes an answer for a success only if the word "fault" stands nowhere in it (F-WIRE-4).
 * Where a value has the word, one of its letters is written as a reference, which every reader of XML turns back.
 */
export function encodeResponse(value: XmlRpcValue): string {
  const said = encodeValue(value).replace(WORD_FAULT, ([first = '', letter = '', ...rest]) =>
    [first, `&#${letter.charCodeAt(0)};`, ...rest].join(''),
  );
  return `${DECLARATION}<methodResponse><params><param>${said}</param></params></methodResponse>`;
}

/**
 * A fault is read from its last line by the people at the line, so put the human reason there (S-FLT-1). The stock DUT
 * crashes on an empty text (S-FLT-2), which is replaced.
 */
export function encodeFault(code: number, text: string): string {
  const said = text.replace(ILLEGAL_IN_XML, '').trim() === '' ? 'no reason was given' : text;
  const fault = encodeValue({ faultCode: code, faultString: said });
  return `${DECLARATION}<methodResponse><fault>${fault}</fault></methodResponse>`;
}

function encodeValue(value: XmlRpcValue): string {
  return `<value>${encodeTyped(value)}</value>`;
}

function encodeTyped(value: XmlRpcValue): string {
  if (value === null) return '<nil/>';
  if (typeof value === 'string') return `<string>${escapeText(value)}</string>`;
  if (typeof value === 'boolean') return value ? '<boolean>1</boolean>' : '<boolean>0</boolean>';
  if (typeof value === 'number') return encodeNumber(value);
  if (value instanceof Uint8Array) return `<base64>${Buffer.from(value).toString('base64')}</base64>`;
  if (isXmlRpcArray(value)) return `<array><data>${value.map(encodeValue).join('')}</data></array>`;
  const members = Object.entries(value).map(
    ([name, member]) => `<member><name>${escapeText(name)}</name>${encodeValue(member)}</member>`,
  );
  return `<struct>${members.join('')}</struct>`;
}

function encodeNumber(value: number): string {
  // XML-RPC has no word for these; as text they at least arrive, and a measurement gone wrong stops no call.
  if (!Number.isFinite(value)) return `<string>${String(value)}</string>`;
  if (Number.isInteger(value) && value >= INT_MIN && value <= INT_MAX) return `<int>${String(value)}</int>`;
  return `<double>${String(value)}</double>`;
}

function escapeText(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(ILLEGAL_IN_XML, '').replace(TO_ESCAPE, (character) => ESCAPES[character] ?? '');
}
