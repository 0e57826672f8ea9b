/** Bytes and texts gone wrong, by chance. */
import type { Prng } from '../sim/prng.ts';

/** Where limits, signs and escapes are. */
const BYTES = [0x00, 0x01, 0x0a, 0x0d, 0x20, 0x22, 0x26, 0x3c, 0x3e, 0x7f, 0x80, 0xbf, 0xc0, 0xed, 0xfe, 0xff];

/** A few changes of single bytes, of stretches, and of the length. */
export const mutated = (prng: Prng, bytes: Buffer, changesMax = 4): Buffer => {
  let changed: Buffer = Buffer.from(bytes);
  for (let left = prng.int(1, changesMax); left > 0; left -= 1) changed = changeOnce(prng, changed);
  return changed;
};

const changeOnce = (prng: Prng, bytes: Buffer): Buffer => {
  const at = prng.int(0, Math.max(0, bytes.length - 1));
  const length = prng.int(1, Math.min(64, Math.max(1, bytes.length - at)));
  const end = Math.min(bytes.length, at + length);
  switch (prng.int(0, 7)) {
    case 0:
      return spliced(bytes, at, at + 1, Buffer.from([prng.pick(BYTES)]));
    case 1:
      return spliced(bytes, at, at + 1, Buffer.from([(bytes[at] ?? 0) ^ (1 << prng.int(0, 7))]));
    case 2:
      return spliced(bytes, at, end, Buffer.alloc(0));
    case 3:
      return spliced(bytes, at, at, bytes.subarray(at, end));
    case 4:
      return spliced(bytes, at, at, Buffer.alloc(prng.int(1, 32), prng.pick(BYTES)));
    case 5:
      return bytes.subarray(0, at);
    case 6: {
      const from = prng.int(0, bytes.length);
      return spliced(bytes, at, at, bytes.subarray(from, from + length));
    }
    default:
      return spliced(bytes, at, at, Buffer.from(Array.from({ length }, () => prng.int(0, 255))));
  }
};

const spliced = (bytes: Buffer, from: number, to: number, put: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(to)]);

/** Texts that have broken something somewhere. */
export const ODD_TEXTS: readonly string[] = [
  ...['', ' ', '\0', 'a\0b', '\uFEFF', '\uFFFD', '\u202E', 'é'.normalize('NFD'), '😀', '\r\n', '%00', '%', '../..'],
  ...['__proto__', 'constructor', 'toString', 'null', 'undefined', 'NaN', 'true', '0', '-1', '1e309', '0x10'],
  ...["'; drop table jobs; --", '${x}', '{{x}}', '<b>&amp;', ']]>', '*', '?'.repeat(40), '*a'.repeat(30), '\\', '"'],
  ...['9007199254740993', '99999999999999999999999', '-9223372036854775808', '2147483648', 'line-1/reservations/x'],
];

export const oddText = (prng: Prng): string => {
  if (prng.chance(0.7)) return prng.pick(ODD_TEXTS);
  if (prng.chance(0.5))
    return String.fromCodePoint(...Array.from({ length: prng.int(1, 20) }, () => prng.int(1, 0xd7ff)));
  // Around the limits of names, reasons, properties and tails of logs.
  return prng.pick(['x', 'é', '\\', '0']).repeat(prng.pick([255, 256, 257, 2049, 4097, 65_537, prng.int(1, 3000)]));
};

const ODD_NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.5,
  255,
  256,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  1e21,
  1e308,
];
export const oddNumber = (prng: Prng): number => (prng.chance(0.8) ? prng.pick(ODD_NUMBERS) : prng.int(-1000, 1000));

/** A value of JSON with something odd in it; now and then deeper than anybody reads. */
export const oddJson = (prng: Prng, depth = 0): unknown => {
  if (depth === 0 && prng.chance(0.05)) return nested(prng, prng.pick([20, 33, 100, 1000]));
  switch (prng.int(0, depth > 3 ? 4 : 6)) {
    case 0:
      return null;
    case 1:
      return prng.chance(0.5);
    case 2:
      return oddNumber(prng);
    case 3:
    case 4:
      return oddText(prng);
    case 5:
      return Array.from({ length: prng.int(0, 4) }, () => oddJson(prng, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: prng.int(0, 4) }, () => [oddText(prng), oddJson(prng, depth + 1)]),
      );
  }
};

const nested = (prng: Prng, depth: number): unknown => {
  let value: unknown = 'x';
  for (let i = 0; i < depth; i += 1) value = prng.chance(0.5) ? [value] : { x: value };
  return value;
};

/** The value with one or a few of its parts made odd, left out, or put there twice. */
export const mutatedJson = (prng: Prng, value: unknown): unknown => {
  const share = prng.pick([0.02, 0.08, 0.25]);
  const visit = (part: unknown): unknown => {
    if (prng.chance(share)) return oddJson(prng);
    if (Array.isArray(part)) {
      const members = part.flatMap((member: unknown) => (prng.chance(share) ? [] : [visit(member)]));
      return prng.chance(share) ? [...members, ...members] : members;
    }
    if (typeof part !== 'object' || part === null) return part;
    const entries = Object.entries(part).flatMap(([key, member]: [string, unknown]): [string, unknown][] =>
      prng.chance(share) ? [] : [[prng.chance(share / 2) ? oddText(prng) : key, visit(member)]],
    );
    if (prng.chance(share)) entries.push([oddText(prng), oddJson(prng)]);
    return Object.fromEntries(entries);
  };
  return visit(value);
};
