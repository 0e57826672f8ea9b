/** As much of DER (X.690) as a certificate is made of. Each function gives one whole element: tag, length, content. */

const tagged = (tag: number, ...content: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag]), lengthOf(body), body]);
};

const lengthOf = ({ length }: Buffer): Buffer => {
  if (length < 0x80) return Buffer.from([length]);
  const digits = Buffer.from(evenHex(length.toString(16)), 'hex');
  return Buffer.concat([Buffer.from([0x80 | digits.length]), digits]);
};

const evenHex = (hex: string): string => (hex.length % 2 === 0 ? hex : `0${hex}`);

export const sequence = (...elements: readonly Buffer[]): Buffer => tagged(0x30, ...elements);
export const set = (...elements: readonly Buffer[]): Buffer => tagged(0x31, ...elements);
export const octets = (content: Buffer): Buffer => tagged(0x04, content);
export const utf8 = (text: string): Buffer => tagged(0x0c, Buffer.from(text));
export const yes: Buffer = tagged(0x01, Buffer.from([0xff]));

/** Not negative. */
export const integer = (value: Buffer | number): Buffer => {
  const bytes = typeof value === 'number' ? Buffer.from(evenHex(value.toString(16)), 'hex') : value;
  return tagged(0x02, ...((bytes[0] ?? 0) >= 0x80 ? [Buffer.from([0])] : []), bytes);
};

/** @param unused bits at the end of the last byte. */
export const bits = (content: Buffer, unused = 0): Buffer => tagged(0x03, Buffer.from([unused]), content);

export const oid = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tagged(0x06, ...[40 * first + second, ...rest].map(base128));
};

const base128 = (value: number): Buffer => {
  const digits = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return Buffer.from(digits);
};

/** GeneralizedTime, to the second. */
export const time = (when: Date): Buffer =>
  tagged(0x18, Buffer.from(`${when.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`));

/** `[n] EXPLICIT`. */
export const explicit = (n: number, element: Buffer): Buffer => tagged(0xa0 | n, element);
/** `[n] IMPLICIT` of a primitive. */
export const implicit = (n: number, content: Buffer): Buffer => tagged(0x80 | n, content);
