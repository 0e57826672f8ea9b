/** The protobuf wire format, written by hand: right where it is asked to be, and wrong where that is the point. */

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const START_GROUP = 3;
export const END_GROUP = 4;
export const FIXED32 = 5;

/** Negative numbers as protobuf has them, in ten bytes. @param padTo so many bytes, longer than need be. */
export const varint = (value: bigint, padTo = 0): Buffer => {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, value);
  while (left >= 0x80n) {
    bytes.push(Number(left & 0x7fn) | 0x80);
    left >>= 7n;
  }
  bytes.push(Number(left));
  while (bytes.length < padTo) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(0);
  }
  return Buffer.from(bytes);
};

export const tag = (number: number, wireType: number): Buffer => varint((BigInt(number) << 3n) | BigInt(wireType));

export const lengthDelimited = (number: number, body: Uint8Array): Buffer =>
  Buffer.concat([tag(number, BYTES), varint(BigInt(body.length)), body]);

export const fixed = (bytes: 4 | 8, value: bigint): Buffer => {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 4) buffer.writeUInt32LE(Number(BigInt.asUintN(32, value)));
  else buffer.writeBigUInt64LE(BigInt.asUintN(64, value));
  return buffer;
};

/** One gRPC message: its flag, its length, itself. */
export const framed = (message: Uint8Array, flag = 0, length = message.length): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(length >>> 0, 1);
  return Buffer.concat([head, message]);
};
