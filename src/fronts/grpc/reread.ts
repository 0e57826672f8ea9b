/**
 * A bot says the same again and again, byte for byte, until something happens. It is decoded once. What was read is kept
 * with its session and goes with it, so that nobody can fill the memory of a replica with requests.
 */
import type { Session } from '../../farm/sessions.ts';

/** What is kept of a session. Longer requests carry results, and are not said twice. */
const KEPT_BYTES_MAX = 4_096;

type Kept<T> = {
  /** The bytes, one a character: a string is smaller than a buffer, and pins no other. */
  readonly text: string;
  readonly read: T;
};

/**
 * @param sessionAt the one of that name that is at home here; of others nothing is kept.
 * @param read has no effects and always reads the same bytes alike. What it throws is not kept.
 */
export const createReread = <T>(
  sessionAt: (name: string) => Session | undefined,
  read: (bytes: Buffer) => T,
): ((bytes: Buffer) => T) => {
  const keptOf = new WeakMap<Session, Kept<T>>();
  return (bytes) => {
    const session = bytes.length > KEPT_BYTES_MAX ? undefined : sessionAt(nameIn(bytes));
    if (session === undefined) return read(bytes);
    const text = bytes.toString('latin1');
    const kept = keptOf.get(session);
    if (kept?.text === text) return kept.read;
    const fresh = read(bytes);
    keptOf.set(session, { text, read: fresh });
    return fresh;
  };
};

/** Field 1 of a message, a text: `name` of UpdateBotSessionRequest, which every client puts first. */
const NAME_TAG = 0x0a;
/** Of a length in one byte; a longer name is looked for by nobody. */
const LENGTH_MAX = 0x7f;

/** Empty: the message does not begin with a short name. */
const nameIn = (bytes: Buffer): string => {
  const [tag, length = 0] = bytes;
  return tag === NAME_TAG && length <= LENGTH_MAX ? bytes.toString('utf8', 2, 2 + length) : '';
};
