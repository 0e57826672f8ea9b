/** Bytes of an XML document to text, in the encoding its byte order mark or declaration names. */
import { TextDecoder } from 'node:util';
import { MalformedError } from './value.ts';
import { quote } from './scalar.ts';

/** A declaration that names an encoding ends within this many bytes. */
const DECLARATION_MAX_BYTES = 256;
const DECLARED_ENCODING = /^<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']/;
const CLOSING_BRACKET = 0x3e;

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
  let decoder: TextDecoder | null = null;
  let opening = Buffer.alloc(0);

  return {
    push(bytes) {
      if (decoder !== null) return decoder.decode(bytes, { stream: true });
      opening = Buffer.concat([opening, bytes]);
      if (opening.length < DECLARATION_MAX_BYTES && !opening.includes(CLOSING_BRACKET)) return '';
      decoder = decoderFor(opening);
      return decoder.decode(opening, { stream: true });
    },
    end() {
      return decoder === null ? decoderFor(opening).decode(opening) : decoder.decode();
    },
  };
}

function decoderFor(opening: Buffer): TextDecoder {
  if (opening[0] === 0xff && opening[1] === 0xfe) return new TextDecoder('utf-16le');
  if (opening[0] === 0xfe && opening[1] === 0xff) return new TextDecoder('utf-16be');
  const declared = DECLARED_ENCODING.exec(opening.toString('latin1', 0, DECLARATION_MAX_BYTES))?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(declared);
  } catch {
    throw new MalformedError('shape', `the encoding ${quote(declared)} is not known`);
  }
}
