/** Text from outside, checked before it nears the database or another program. */
import { invalid } from './refusal.ts';

const encoder = new TextEncoder();

export const bytesOf = (text: string): number => encoder.encode(text).length;

/** What every text must be: storable (PostgreSQL has no U+0000), well-formed Unicode, and no longer than allowed. */
export const checkText = (what: string, text: string, bytesMax: number): void => {
  if (text.includes('\0')) {
    throw invalid('TEXT_NOT_STORABLE', `${what} contains the character U+0000, which cannot be stored. Leave it out.`);
  }
  if (!text.isWellFormed()) {
    throw invalid('TEXT_NOT_STORABLE', `${what} contains half of a UTF-16 surrogate pair. Send well-formed Unicode.`);
  }
  // No unit of UTF-16 takes more than three bytes of UTF-8: most texts need not be encoded to know that they fit.
  if (text.length * 3 <= bytesMax) return;
  const bytes = bytesOf(text);
  if (bytes > bytesMax) {
    throw invalid('TEXT_TOO_LONG', `${what} has ${bytes} bytes; at most ${bytesMax} are allowed. Shorten it.`);
  }
};

/** A name that must be there. */
export const checkName = (what: string, text: string, bytesMax: number): void => {
  if (text === '') throw invalid('NAME_EMPTY', `${what} is empty. Give it.`);
  checkText(what, text, bytesMax);
};

/** A reason or note that a person must give, so that the next one reads why. */
export const checkReason = (what: string, text: string, bytesMax: number): void => {
  if (text.trim() === '') {
    throw invalid('REASON_MISSING', `${what} is empty. Say why: whoever looks at this next will want to know.`);
  }
  checkText(what, text, bytesMax);
};

/** Deeper values are refused: every reader downstream recurses over them. */
const DEPTH_MAX = 32;

/** A value as JSON has them, all its keys and texts storable. */
export const checkJson = (what: string, value: unknown, bytesMax: number, depth = 0): void => {
  if (depth > DEPTH_MAX) throw invalid('VALUE_TOO_DEEP', `${what} is nested deeper than ${DEPTH_MAX}. Flatten it.`);
  if (typeof value === 'string') checkText(what, value, bytesMax);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    checkText(`a key of ${what}`, key, bytesMax);
    checkJson(what, member, bytesMax, depth + 1);
  }
};

/** Prose that is kept rather than refused: what cannot be stored is replaced, what is too long is cut. */
export const storableText = (text: string, bytesMax: number): string => cut(cleaned(text), bytesMax, 'head');

/** The same of a log: its end is what tells. */
export const storableTail = (text: string, bytesMax: number): string => cut(cleaned(text), bytesMax, 'tail');

const cleaned = (text: string): string => text.toWellFormed().replaceAll('\0', '\uFFFD');

/** Cuts between code points, so that no character is halved. */
const cut = (text: string, bytesMax: number, keep: 'head' | 'tail'): string => {
  const bytes = encoder.encode(text);
  if (bytes.length <= bytesMax) return text;
  if (keep === 'head') {
    let end = bytesMax;
    while (end > 0 && isContinuation(bytes[end])) end -= 1;
    return decoder.decode(bytes.subarray(0, end));
  }
  let start = bytes.length - bytesMax;
  while (isContinuation(bytes[start])) start += 1;
  return decoder.decode(bytes.subarray(start));
};

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
/** A byte of UTF-8 that does not begin a character. */
const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;
