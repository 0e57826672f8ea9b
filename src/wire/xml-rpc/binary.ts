/** The text of a `<base64>` to its bytes as it comes, so that what is larger than memory can be read. */
import { MalformedError } from './value.ts';

/** Where the bytes of one `<base64>` go. */
export interface BinarySink {
  /** What stands for them in the message; whoever gave it knows it again by identity. */
  readonly standIn: Uint8Array;
  /** The bytes are others as soon as it returns: who keeps them copies them. */
  write(bytes: Uint8Array): void;
}

/** Asked for a place as a `<base64>` begins. */
export type BinaryTaker = () => BinarySink;

export interface BinaryReader {
  push(text: string): void;
  end(): Uint8Array;
}

const SPACE_CHARACTERS = '\t\n\r ';
const SPACES = /[\t\n\r ]+/g;
/** Some writers of XML escape the carriage returns of MIME's lines. */
const ESCAPED_SPACES = /&#(?:0*(?:9|10|13)|x0*[9aAdD]);/g;
/** The longest such reference, of which a piece of text may hold the beginning only. */
const REFERENCE_MAX_CHARS = 10;
/** Looking for these costs nothing in a text that has none: V8 knows it by how it keeps it. */
const WIDE = /[\u0100-\uffff]/;
const LETTERS = /^[A-Za-z0-9+/]*$/;
const PADDING = /^=*$/;
const PADDING_MAX = 2;
const GROUP = 4;
const GROUP_BYTES = 3;

/** Holds back less than a group of letters, and less than a reference. */
export function createBinaryReader(sink: BinarySink): BinaryReader {
  let rest = '';
  let reference = '';
  let padding = 0;
  /** Used over and over: to make room anew takes longer than to decode. */
  let bytes = Buffer.alloc(0);

  /**
   * Node passes by what is no letter, takes the two of base64url, and of a wide character its low byte. So the length tells the
   * first, and a look the others.
   * @param letters so many are in the text, if all that are not spaces are. False: they are not.
   */
  function decode(text: string, letters: number): boolean {
    if (WIDE.test(text)) return false;
    if (bytes.length < text.length) bytes = Buffer.allocUnsafeSlow(text.length);
    const written = bytes.write(text, 'base64');
    if (written !== Math.floor((letters * GROUP_BYTES) / GROUP) || text.includes('-') || text.includes('_'))
      return false;
    if (written > 0) sink.write(bytes.subarray(0, written));
    return true;
  }

  function take(letters: string): void {
    const whole = letters.length - (letters.length % GROUP);
    if (!decode(letters.slice(0, whole), whole)) throw notBase64();
    rest = letters.slice(whole);
  }

  /**
   * Letters and spaces alone: Node decodes whole groups of them several times as fast as the spaces could be taken out before.
   * False: there is more, and none of it is taken.
   */
  function takeWhole(text: string): boolean {
    const all = rest + text;
    const letters = all.length - spacesIn(all);
    const cut = behindGroups(all, letters % GROUP);
    const begun = all.slice(cut).replace(SPACES, '');
    if (!LETTERS.test(begun) || !decode(all.slice(0, cut), letters - begun.length)) return false;
    rest = begun;
    return true;
  }

  function takeLast(text: string): void {
    const characters = text.replace(SPACES, '');
    const firstPadding = characters.indexOf('=');
    const letters = firstPadding === -1 ? characters : characters.slice(0, firstPadding);
    const after = characters.slice(letters.length);
    padding += after.length;
    if (!PADDING.test(after) || padding > PADDING_MAX) throw notBase64();
    if (letters !== '' && padding > after.length) throw notBase64();
    take(rest + letters);
  }

  return {
    push(text) {
      const [plain, begun] = withoutReferences(reference + text);
      reference = begun;
      if (padding > 0 || !takeWhole(plain)) takeLast(plain);
    },
    end() {
      if (rest.length === 1 || reference !== '' || !decode(rest, rest.length)) throw notBase64();
      return sink.standIn;
    },
  };
}

function spacesIn(text: string): number {
  let spaces = 0;
  for (const space of SPACE_CHARACTERS)
    for (let at = text.indexOf(space); at !== -1; at = text.indexOf(space, at + 1)) spaces += 1;
  return spaces;
}

/** Where the last group ends that is whole, so many letters before the text does. */
function behindGroups(text: string, letters: number): number {
  let at = text.length;
  for (let left = letters; left > 0; at -= 1) if (!SPACE_CHARACTERS.includes(text.charAt(at - 1))) left -= 1;
  return at;
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
