/** Frames of HTTP/2 (RFC 9113) as a client that minds no rules would write them. */

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

type Parts = { readonly flags?: number; readonly stream?: number; readonly payload?: Buffer };

const frame = (type: number, { flags = 0, stream = 0, payload = Buffer.alloc(0) }: Parts = {}): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};

const END_HEADERS = 0x4;
const CANCEL = Buffer.from([0, 0, 0, 8]);

/** A header without a place in the table of HPACK, neither compressed nor remembered. */
const literal = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);

/** `:method: POST` and `:scheme: http` have a place. */
const request = (path: string): Buffer =>
  Buffer.concat([
    Buffer.from([0x83, 0x86]),
    literal(':path', path),
    literal(':authority', 'farm'),
    literal('content-type', 'application/grpc'),
    literal('te', 'trailers'),
  ]);

export const settings = (): Buffer => frame(0x4);
export const ping = (): Buffer => frame(0x6, { payload: Buffer.alloc(8) });
export const reset = (stream: number): Buffer => frame(0x3, { stream, payload: CANCEL });
/** The headers of a call, complete; its body is still to come. */
export const headers = (stream: number, path: string): Buffer =>
  frame(0x1, { flags: END_HEADERS, stream, payload: request(path) });
/** Headers that say that more of them follow. */
export const openHeaders = (stream: number, path: string): Buffer => frame(0x1, { stream, payload: request(path) });
export const continuation = (stream: number): Buffer => frame(0x9, { stream, payload: literal('x-more', 'more') });
/** A part of a body. */
export const part = (stream: number, payload: Buffer): Buffer => frame(0x0, { stream, payload });
