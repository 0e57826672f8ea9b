/** The text of a `<base64>` to its bytes as it comes, so that what is larger than memory can be read. */
import { MalformedError } from './value.ts';

/** Where the bytes of one `<base64>` go. */
export interface BinarySink {
  /** What stands for them in the message; whoever gave it knows it again by identity. */
  readonly standIn: Uint8Array;
  write(bytes: Uint8Array): void;
}

/** Asked for a place as a `<base64>` begins. */
export type BinaryTaker = () => BinarySink;

export interface BinaryReader {
  push(text: string): void;
  end(): Uint8Array;
}

const SPACES = /[\t\n\r ]+/g;
/** Some writers of XML escape the carriage returns of MIME's lines. */
const ESCAPED_SPACES = /&#(?:0*(?:9|10|13)|x0*[9aAdD]);/g;
/** The longest such reference, of which a piece of text may hold the beginning only. */
const REFERENCE_MAX_CHARS = 10;
const PADDING = /^=*$/;
const PADDING_MAX = 2;
const GROUP = 4;
const GROUP_BYTES = 3;

/** Holds back less than a group of letters, and less than a reference. */
export function createBinaryReader(sink: BinarySink): BinaryReader {
  let rest = '';
  let reference = '';
  let padding = 0;

  function take(letters: string): void {
    const whole = letters.length - (letters.length % GROUP);
    if (whole > 0) sink.write(toBytes(letters.slice(0, whole)));
    rest = letters.slice(whole);
  }

  return {
    push(text) {
      const [plain, begun] = withoutReferences(reference + text);
      reference = begun;
      const characters = plain.replace(SPACES, '');
      const firstPadding = characters.indexOf('=');
      const letters = firstPadding === -1 ? characters : characters.slice(0, firstPadding);
      const after = characters.slice(letters.length);
      padding += after.length;
      if (!PADDING.test(after) || padding > PADDING_MAX) throw notBase64();
      if (letters !== '' && padding > after.length) throw notBase64();
      take(rest + letters);
    },
    end() {
      if (rest.length === 1 || reference !== '') throw notBase64();
      if (rest !== '') sink.write(toBytes(rest));
      return sink.standIn;
    },
  };
}

/** Node passes by what is no letter, and takes the two of base64url, so that the length tells one and a look the other. */
function toBytes(letters: string): Buffer {
  const bytes = Buffer.from(letters, 'base64');
  const isWhole = bytes.length === Math.floor((letters.length * GROUP_BYTES) / GROUP);
  if (!isWhole || letters.includes('-') || letters.includes('_')) throw notBase64();
  return bytes;
}

/** The text without escaped spaces, and the beginning of a reference at its end. */
function withoutReferences(text: string): readonly [plain: string, begun: string] {
  if (!text.includes('&')) return [text, ''];
  const plain = text.replace(ESCAPED_SPACES, '');
  const last = plain.lastIndexOf('&');
  return last === -1 || plain.length - last > REFERENCE_MAX_CHARS
    ? [plain, '']
    : [plain.slice(0, last), plain.slice(last)];
}

function notBase64(): MalformedError {
  return new MalformedError('shape', 'a base64 value is not base64');
}
