/** Bytes of an XML document to text, in the encoding its byte order mark or declaration names. */
import { isAscii } from 'node:buffer';
import { TextDecoder } from 'node:util';
import { MalformedError } from './value.ts';
import { quote } from './scalar.ts';

/** A declaration that names an encoding ends within this many bytes. */
const DECLARATION_MAX_BYTES = 256;
const DECLARED_ENCODING = /^<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']/;
const CLOSING_BRACKET = 0x3e;
const NOTHING = Buffer.alloc(0);

export interface XmlTextDecoder {
  /** The text that the bytes so far make plain; the rest comes later. Throws `MalformedError` for an unknown encoding. */
  push(bytes: Uint8Array): string;
  end(): string;
}

/**
 * Bytes that are not of the encoding become U+FFFD rather than an error: a partner's answer with one mangled letter is
 * still an answer, and refusing it would leave a lane blocked on a call that was applied.
 */
export function createXmlTextDecoder(): XmlTextDecoder {
  let encoding: string | null = null;
  /** Null: there was nothing yet but ASCII, which reads itself. */
  let decoder: TextDecoder | null = null;
  let opening: Buffer = NOTHING;

  function decode(bytes: Buffer, known: string): string {
    if (decoder === null && known.toLowerCase() === 'utf-8' && isAscii(bytes)) return bytes.toString('latin1');
    // What looks like a byte order mark further on is a character like others.
    decoder ??= decoderFor(known, { ignoreBOM: bytes !== opening });
    return decoder.decode(bytes, { stream: true });
  }

  return {
    push(bytes) {
      if (encoding !== null) return decode(toBuffer(bytes), encoding);
      opening = opening.length === 0 ? toBuffer(bytes) : Buffer.concat([opening, bytes]);
      if (opening.length < DECLARATION_MAX_BYTES && !opening.includes(CLOSING_BRACKET)) return '';
      encoding = encodingOf(opening);
      return decode(opening, encoding);
    },
    end() {
      const rest = encoding === null ? decode(opening, encodingOf(opening)) : '';
      return rest + (decoder?.decode() ?? '');
    },
  };
}

function encodingOf(opening: Buffer): string {
  if (opening[0] === 0xff && opening[1] === 0xfe) return 'utf-16le';
  if (opening[0] === 0xfe && opening[1] === 0xff) return 'utf-16be';
  return DECLARED_ENCODING.exec(opening.toString('latin1', 0, DECLARATION_MAX_BYTES))?.[1] ?? 'utf-8';
}

function decoderFor(encoding: string, options: { readonly ignoreBOM: boolean }): TextDecoder {
  try {
    return new TextDecoder(encoding, options);
  } catch {
    throw new MalformedError('shape', `the encoding ${quote(encoding)} is not known`);
  }
}

/** The same memory. */
function toBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
