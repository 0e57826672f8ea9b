/** The text of a scalar element to its value: every spelling that peers in the field use. */
import type { XmlRpcValue } from './value.ts';
import { MalformedError } from './value.ts';

type ReadScalar = (text: string) => XmlRpcValue;

// No digit can be matched in two ways: a long number that is none is read once, not once for each of its digits.
const INTEGER = /^([+-]?)(\d+)$/;
const LEADING_ZEROS = /^0+(?=\d)/;
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** The most of a peer's own text that we repeat in our words. */
const QUOTED_MAX_CHARS = 40;

/** By element name; the Apache extension's `ex:` prefix is already gone. */
const READ_SCALAR: ReadonlyMap<string, ReadScalar> = new Map<string, ReadScalar>([
  ['string', (text) => text],
  ['boolean', toBoolean],
  ['nil', toNil],
  ['base64', toBinary],
  // No time zone is given, so the text says all that is known.
  ['dateTime.iso8601', (text) => text.trim()],
  ['dateTime', (text) => text.trim()],
  ...['i1', 'i2', 'i4', 'i8', 'int', 'biginteger'].map((name): [string, ReadScalar] => [name, toInteger]),
  ...['double', 'float', 'bigdecimal'].map((name): [string, ReadScalar] => [name, toDouble]),
]);

export const SCALAR_ELEMENTS: readonly string[] = [...READ_SCALAR.keys()];

/** Throws `MalformedError` for a text that is not of the element's type. */
export function toScalar(element: string, text: string): XmlRpcValue {
  const read = READ_SCALAR.get(element);
  if (read === undefined) throw new Error(`no scalar element ${element}`);
  return read(text);
}

export function quote(text: string): string {
  return `"${text.slice(0, QUOTED_MAX_CHARS)}${text.length > QUOTED_MAX_CHARS ? '…' : ''}"`;
}

function toInteger(text: string): number | string {
  const match = INTEGER.exec(text.trim());
  if (match === null) throw new MalformedError('shape', `${quote(text.trim())} is not an integer`);
  const digits = (match[1] === '-' ? '-' : '') + (match[2] ?? '').replace(LEADING_ZEROS, '');
  const value = Number(digits);
  // Beyond 2^53 a number would be silently another one.
  return Number.isSafeInteger(value) ? value + 0 : digits;
}

function toDouble(text: string): number {
  const value = DECIMAL.test(text.trim()) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) throw new MalformedError('shape', `${quote(text.trim())} is not a finite double`);
  return value;
}

function toBoolean(text: string): boolean {
  const word = text.trim();
  if (word === '1' || word === 'true') return true;
  if (word === '0' || word === 'false') return false;
  throw new MalformedError('shape', `${quote(word)} is not a boolean`);
}

function toNil(text: string): null {
  if (text.trim() !== '') throw new MalformedError('shape', 'a nil holds text');
  return null;
}

function toBinary(text: string): Uint8Array {
  const characters = text.replace(/\s+/g, '');
  if (!BASE64.test(characters) || characters.replace(/=+$/, '').length % 4 === 1) {
    throw new MalformedError('shape', 'a base64 value is not base64');
  }
  return new Uint8Array(Buffer.from(characters, 'base64'));
}
