/**
 * The audit: what people and tokens asked of the farm, and what was denied them. Each replica writes a chain: every
 * record carries the hash of the one before it, so that none can be changed, left out or put in between unseen.
 */
import type { Verb } from './authorisation.ts';

/** What was asked, by whom, of what. */
export type AuditEntry = {
  /** `principalName`. */
  readonly principal: string;
  /** Where the call came from; for people, and never a reason to trust it. */
  readonly peer: string;
  readonly verb: Verb;
  readonly instance: string;
  /** What it is about, in the words of its door: `job 17`, `bot fat-3`. */
  readonly object: string;
  /** As the caller gave it; empty when it gave none. */
  readonly reason: string;
  /** Of the call; also in the logs. */
  readonly requestId: string;
};

/** What was denied; `many` stands in the place of what differs between denials that are counted together. */
export type DeniedEntry = Omit<AuditEntry, 'verb'> & { readonly verb: Verb | 'many' };

export type AuditFact =
  /** The chain begins, with what the replica runs on, and with the ends of other chains, which cannot be cut off from now on. */
  | {
      readonly kind: 'started';
      readonly version: string;
      /** SHA-256 of the configuration as `config print` shows it. */
      readonly configuration: string;
      /** That text; null when the chain recorded last had the same. */
      readonly settings: string | null;
      readonly heads: readonly ChainHead[];
    }
  /** Written before it is done: nothing is done without a record. */
  | ({ readonly kind: 'asked' } & AuditEntry)
  /**
   * How that went: `done`, the reason of a refusal, `failed`, or `not begun`: whether the record of what was asked was
   * kept was not known in time, so it was turned away. Missing: the replica ended before it could say.
   */
  | { readonly kind: 'ended'; readonly asked: number; readonly outcome: string }
  /** `count` times within a window that began at `since`; peer, object, reason and request id are those of the first. */
  | ({ readonly kind: 'denied'; readonly why: string; readonly count: number; readonly since: string } & DeniedEntry)
  /** In good order; a chain that ends otherwise belongs to a replica that lives, or that was killed. */
  | { readonly kind: 'stopped' };

/** The last record of a chain, at some time. */
export type ChainHead = { readonly replica: string; readonly seq: number; readonly hash: string };

/** A record as it is kept. Hashes are 64 hexadecimal digits. */
export type AuditRecord = ChainHead & {
  /** The fact with `replica`, `seq` and `at` (the replica's clock, ISO 8601), as JSON: these bytes were hashed. */
  readonly text: string;
  /** Of the record before; of the first one, `NO_HASH`. */
  readonly previous: string;
};

export const NO_HASH = '0'.repeat(64);

/** SHA-256 of the text's UTF-8 bytes, in hexadecimal. */
export type Digest = (text: string) => string;

/** The next record of a chain. `at`: the replica's clock. */
export const sealRecord = (after: ChainHead, fact: AuditFact, at: Date, digest: Digest): AuditRecord => {
  const { replica, hash: previous } = after;
  const seq = after.seq + 1;
  const text = JSON.stringify({ replica, seq, at: at.toISOString(), ...fact });
  return { replica, seq, text, previous, hash: hashOf(previous, text, digest) };
};

export const newChain = (replica: string): ChainHead => ({ replica, seq: 0, hash: NO_HASH });

const hashOf = (previous: string, text: string, digest: Digest): string => digest(`${previous}\n${text}`);

/** Something in the audit that its writers cannot have written. */
export type AuditFinding = { readonly replica: string; readonly seq: number; readonly words: string };

/** Walks one chain in order of `seq`; `check` is given each record and returns what is wrong with it. */
export const createChainCheck = (replica: string, digest: Digest) => {
  let head = newChain(replica);
  let ended = false;
  return {
    check: (record: AuditRecord): readonly AuditFinding[] => {
      const words = [
        ...(record.seq === head.seq + 1
          ? []
          : [`records ${String(head.seq + 1)} to ${String(record.seq - 1)} are missing`]),
        ...(record.seq !== head.seq + 1 || record.previous === head.hash
          ? []
          : ['it does not follow the record before it, one of the two was put there later']),
        ...(record.hash === hashOf(record.previous, record.text, digest) ? [] : ['its text was changed']),
        ...(namesItself(record) ? [] : ['its text is of another record']),
        ...(ended ? ['it was written after the chain had ended'] : []),
      ];
      head = { replica, seq: record.seq, hash: record.hash };
      ended ||= kindOf(record) === 'stopped';
      return words.map((said) => ({ replica, seq: record.seq, words: said }));
    },
    /** The last record seen, and whether it says that the replica stopped. */
    end: () => ({ head, ended }),
  };
};

/** The ends of other chains that a record vouches for. */
export const headsIn = ({ text }: AuditRecord): readonly ChainHead[] => {
  const { heads } = toLoose(text);
  return Array.isArray(heads) ? heads.filter(isHead) : [];
};

const kindOf = ({ text }: AuditRecord): unknown => toLoose(text)['kind'];

const namesItself = ({ replica, seq, text }: AuditRecord): boolean => {
  const said = toLoose(text);
  return said['replica'] === replica && said['seq'] === seq;
};

/** Whatever stands there, for it may have been tampered with. */
function toLoose(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** As the database takes them: whoever tampers must not make the reader stumble. */
const REPLICA = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const isHead = (said: unknown): said is ChainHead =>
  typeof said === 'object' &&
  said !== null &&
  'replica' in said &&
  typeof said.replica === 'string' &&
  REPLICA.test(said.replica) &&
  'seq' in said &&
  typeof said.seq === 'number' &&
  Number.isSafeInteger(said.seq) &&
  'hash' in said &&
  typeof said.hash === 'string';
