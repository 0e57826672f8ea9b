/** Messages of any declared type, as bytes: mostly right, with something odd in them here and there. */
import { createFileRegistry, type DescField, type DescMessage, fromBinary, ScalarType } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { create } from '@bufbuild/protobuf';
import { cursorOf } from '../../src/core/cursor.ts';
import { fileDescriptorProtos } from '../../src/gen/descriptors.ts';
import type { Prng } from '../sim/prng.ts';
import { mutated, oddText } from './mutate.ts';
import { EVENT, GATED, LINE, STATION } from './site.ts';
import {
  BYTES,
  END_GROUP,
  fixed,
  FIXED32,
  FIXED64,
  lengthDelimited,
  START_GROUP,
  tag,
  VARINT,
  varint,
} from './wire-format.ts';

const registry = createFileRegistry(
  create(FileDescriptorSetSchema, {
    file: fileDescriptorProtos.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)),
  }),
);

/** Put where a live name belongs; the sender puts the real one there, which is as long. */
export const SESSION = '00000000-0000-4000-8000-00000000005e';
export const LEASE = '00000000-0000-4000-8000-00000000001e';

/** Tokens that a client makes itself: of the right question and shape, and of places that cannot be. */
const forged: readonly string[] = [
  cursorOf(['calls', LINE, [], null, null], [2 ** 53 - 1, 2 ** 53 - 1, 2 ** 53 - 1]),
  cursorOf(['calls', LINE, [], null, null], [-(2 ** 53) + 1, -1, 0]),
  cursorOf(['jobs', LINE, [], null, null, null], [-(2 ** 53) + 1]),
  cursorOf(['lanes', LINE, false], [2, 2 ** 53 - 1]),
  cursorOf(['bots', LINE, null, false], ['\uD800']),
  cursorOf(['watch', LINE, 1], ['9999999999999999999', -1]),
];

/** What fields of these names mostly say, so that a message gets past the first look at it. */
const FAMILIAR: Readonly<Record<string, readonly string[]>> = {
  instance: [LINE, LINE, LINE, ''],
  parent: [LINE, LINE, LINE, ''],
  name: [
    `${LINE}/${SESSION}`,
    `${LINE}/${SESSION}`,
    `${LINE}/reservations/r-1`,
    'reservations/r-2',
    'serials.mlb_serial_number',
  ],
  session: [`${LINE}/${SESSION}`],
  bot_id: ['fuzz-bot', 'fuzz-bot', 'another'],
  requested_bot_id: ['', 'fuzz-bot'],
  station: [STATION, STATION, GATED, ''],
  id: [LEASE, SESSION],
  lease_id: [LEASE],
  call_id: [SESSION],
  test_id: ['FAT.volts', 'FAT.amps'],
  key: ['pool', 'label:pool', 'serials.mlb_serial_number', 'capacity'],
  value: ['smt', 'U-1', '3'],
  pattern: ['*', 'fuzz-*', 'nobody'],
  serial: ['U-1'],
  page_token: ['', ...forged],
  cursor: ['', ...forged],
  route: ['', 'r'],
  msg: [EVENT, 'went wrong'],
  request_id: ['', 'q-1', 'q-2'],
  type_url: [
    'type.googleapis.com/stationgrid.v1.StationWork',
    'type.googleapis.com/stationgrid.v1.StationResult',
    'type.example.com/Foreign',
  ],
  sha256: ['', 'a'.repeat(64)],
};

/** How far the odd goes: 0 is a message as a careful client sends it. */
export type Oddness = { readonly share: number };

const DEPTH_MAX = 6;

/** @param typeName with its package. */
export const messageBytes = (prng: Prng, typeName: string, oddness: Oddness): Buffer => {
  const message = registry.getMessage(typeName);
  if (message === undefined) throw new Error(`no message is called ${typeName}`);
  return ofMessage(prng, message, oddness, 0).subarray(0, MESSAGE_BYTES_MAX);
};

/** A little more than a farm takes at once; far more would only fill the pipe. */
const MESSAGE_BYTES_MAX = 4.5 * 1024 * 1024;

const ofMessage = (prng: Prng, message: DescMessage, oddness: Oddness, depth: number): Buffer => {
  if (message.typeName === 'google.protobuf.Any') return ofAny(prng, oddness, depth);
  if (RECURSIVE.has(message.typeName) && prng.chance(oddness.share)) return deep(prng, message.typeName);
  const parts = message.fields.flatMap((field) => ofField(prng, field, oddness, depth));
  if (prng.chance(oddness.share)) parts.push(stranger(prng));
  if (prng.chance(oddness.share) && parts.length > 0) parts.push(prng.pick(parts));
  const bytes = Buffer.concat(prng.chance(oddness.share) ? prng.some(parts, parts.length) : parts);
  return prng.chance(oddness.share / 2) ? mutated(prng, bytes) : bytes;
};

/** Both ends of what a payload may be: station work, its result, and what only its owner can read. */
const ofAny = (prng: Prng, oddness: Oddness, depth: number): Buffer => {
  const typeUrl = prng.chance(oddness.share) ? oddText(prng) : prng.pick(FAMILIAR['type_url'] ?? []);
  const message = depth < DEPTH_MAX ? registry.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) : undefined;
  const value = message === undefined ? Buffer.from('work') : ofMessage(prng, message, oddness, depth + 1);
  return Buffer.concat([lengthDelimited(1, Buffer.from(typeUrl)), lengthDelimited(2, value)]);
};

const ofField = (prng: Prng, field: DescField, oddness: Oddness, depth: number): Buffer[] => {
  // What only the farm sets is left out by careful clients; what nests, at some depth.
  const wanted = field.fieldKind === 'message' || field.fieldKind === 'list' || field.fieldKind === 'map' ? 0.75 : 0.85;
  if (depth > DEPTH_MAX || !prng.chance(depth > 3 ? wanted / 2 : wanted)) return [];
  if (field.oneof !== undefined && !prng.chance(1.2 / field.oneof.fields.length)) return [];
  if (prng.chance(oddness.share)) return [oddField(prng, field)];
  const times = field.fieldKind === 'list' || field.fieldKind === 'map' ? timesOf(prng, oddness, depth) : 1;
  return Array.from({ length: times }, () => oneOf(prng, field, oddness, depth));
};

/** Beyond what is allowed only once in a message, or lists of lists would have no end. */
const timesOf = (prng: Prng, { share }: Oddness, depth: number): number =>
  depth === 2 && prng.chance(share / 4) ? prng.pick([0, 65, 257, 1001]) : prng.int(0, 2);

const oneOf = (prng: Prng, field: DescField, oddness: Oddness, depth: number): Buffer => {
  if (field.fieldKind === 'map') {
    const key = lengthDelimited(1, textOf(prng, 'key', oddness));
    const value =
      field.mapKind === 'message'
        ? lengthDelimited(2, ofMessage(prng, field.message, oddness, depth + 1))
        : lengthDelimited(2, textOf(prng, 'value', oddness));
    return lengthDelimited(field.number, Buffer.concat([key, value]));
  }
  if (field.message !== undefined)
    return lengthDelimited(field.number, ofMessage(prng, field.message, oddness, depth + 1));
  if (field.enum !== undefined) {
    const known = field.enum.values.map(({ number }) => BigInt(number));
    return Buffer.concat([
      tag(field.number, VARINT),
      varint(prng.chance(oddness.share) ? oddInteger(prng) : prng.pick(known)),
    ]);
  }
  return ofScalar(prng, field, oddness);
};

const ofScalar = (prng: Prng, field: DescField, oddness: Oddness): Buffer => {
  const { number, name } = field;
  const scalar = field.scalar ?? ScalarType.STRING;
  const integer = prng.chance(oddness.share) ? oddInteger(prng) : BigInt(prng.int(0, 9));
  switch (scalar) {
    case ScalarType.STRING:
      return lengthDelimited(number, textOf(prng, name, oddness));
    case ScalarType.BYTES:
      return lengthDelimited(number, Buffer.from(textOf(prng, name, oddness)));
    case ScalarType.DOUBLE: {
      const value = Buffer.alloc(8);
      value.writeDoubleLE(
        prng.chance(oddness.share) ? prng.pick([NaN, Infinity, -Infinity, -0, 5e-324, 1.8e308]) : prng.random() * 10,
      );
      return Buffer.concat([tag(number, FIXED64), value]);
    }
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return Buffer.concat([tag(number, FIXED64), fixed(8, integer)]);
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return Buffer.concat([tag(number, FIXED32), fixed(4, integer)]);
    default:
      return Buffer.concat([tag(number, VARINT), varint(integer)]);
  }
};

const textOf = (prng: Prng, name: string, { share }: Oddness): Buffer => {
  if (!prng.chance(share)) return Buffer.from(prng.pick(FAMILIAR[name] ?? ['words']));
  // Bytes that are no UTF-8: a lone continuation, an overlong U+0000, half a surrogate pair, a cut character.
  if (prng.chance(0.3))
    return prng.pick(
      [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98], [0xff]].map((bytes) => Buffer.from(bytes)),
    );
  return Buffer.from(oddText(prng));
};

const INTEGERS = [
  0n,
  1n,
  -1n,
  255n,
  1n << 31n,
  -(1n << 31n),
  (1n << 32n) - 1n,
  1n << 53n,
  (1n << 63n) - 1n,
  -(1n << 63n),
];
const SECONDS = [253_402_300_800n, 8_640_000_000_001n, -62_135_596_801n, 4_102_444_800n];
const oddInteger = (prng: Prng): bigint => prng.pick([...INTEGERS, ...SECONDS, BigInt(prng.int(-1000, 100_000))]);

/** A field that is there, but not as it should be. */
const oddField = (prng: Prng, { number }: DescField): Buffer => {
  switch (prng.int(0, 7)) {
    case 0:
      return Buffer.concat([tag(number, VARINT), varint(oddInteger(prng), prng.pick([0, 5, 10, 11, 20]))]);
    case 1:
      return Buffer.concat([tag(number, FIXED64), fixed(8, oddInteger(prng))]);
    case 2:
      return Buffer.concat([tag(number, FIXED32), fixed(4, oddInteger(prng))]);
    case 3:
      return lengthDelimited(number, Buffer.from(oddText(prng)));
    case 4:
      // Longer than there is, by a little or by all that a length can say.
      return Buffer.concat([tag(number, BYTES), varint(prng.pick([5n, 127n, 1n << 31n, (1n << 32n) - 1n, -1n]))]);
    case 5:
      return Buffer.concat([tag(number, START_GROUP), prng.chance(0.5) ? tag(number, END_GROUP) : Buffer.alloc(0)]);
    case 6:
      return tag(number, prng.pick([6, 7]));
    default:
      return nestedIn(number, prng.pick([10, 100, 3000]), Buffer.alloc(0));
  }
};

/** A field that nobody declared, or that cannot be one. */
const stranger = (prng: Prng): Buffer =>
  Buffer.concat([tag(prng.pick([0, 15, 16, 19_000, 536_870_911]), prng.int(0, 7)), varint(oddInteger(prng))]);

const nestedIn = (number: number, depth: number, innermost: Buffer): Buffer => {
  let bytes = innermost;
  for (let i = 0; i < depth; i += 1) bytes = lengthDelimited(number, bytes);
  return bytes;
};

/** Messages that hold themselves: a reader that follows them by calling itself runs out of stack. */
const RECURSIVE = new Set(['google.protobuf.Struct', 'google.protobuf.Value', 'google.protobuf.ListValue']);
const deep = (prng: Prng, typeName: string): Buffer => {
  const depth = prng.pick([10, 31, 33, 100, 1000, 10_000]);
  let value: Buffer = Buffer.from([0x20, 1]);
  for (let i = 0; i < depth; i += 1) {
    // Value.list_value.values, or Value.struct_value.fields of one member.
    value = prng.chance(0.5)
      ? lengthDelimited(6, lengthDelimited(1, value))
      : lengthDelimited(
          5,
          lengthDelimited(1, Buffer.concat([lengthDelimited(1, Buffer.from('k')), lengthDelimited(2, value)])),
        );
  }
  if (typeName === 'google.protobuf.Value') return value;
  return typeName === 'google.protobuf.ListValue'
    ? lengthDelimited(1, value)
    : lengthDelimited(1, Buffer.concat([lengthDelimited(1, Buffer.from('k')), lengthDelimited(2, value)]));
};

export type MethodToCall = { readonly path: string; readonly input: string };

/** Every method of the services, as declared. */
export const methodsOf = (services: readonly string[]): readonly MethodToCall[] =>
  services.flatMap((name) => {
    const service = registry.getService(name);
    if (service === undefined) throw new Error(`no service is called ${name}`);
    return service.methods.map(({ name: method, input }) => ({ path: `/${name}/${method}`, input: input.typeName }));
  });
