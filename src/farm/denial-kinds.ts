/**
 * Which denials are counted together. Whoever is denied chooses much of what he is denied, such as the instance, so he
 * must not choose how many kinds there are: beyond some he has one kind left, and the others keep theirs.
 */
import type { AuditEntry, DeniedEntry } from '../core/audit-chain.ts';

/** As it came. */
export type Denial = { readonly entry: AuditEntry; readonly why: string };

/** As it is recorded. */
export type ToldDenial = { readonly entry: DeniedEntry; readonly why: string };

export type DenialKind = {
  readonly key: string;
  /** Whose room it takes, in `DenialKinds`. */
  readonly takenOf: readonly string[];
  /** Of several of the kind, what they have in common; the rest is that of the first, or `many`. */
  readonly together: (first: Denial) => ToldDenial;
};

/** Kinds of one caller that are told apart. */
const KINDS_OF_ONE_MAX = 20;
/** Of all kinds. The rest is kept for callers who then have one kind each, under their own names. */
const SHARE_IN_FULL = 1 / 2;

/** Stands in the place of what differs. */
const MANY = 'many';
const FOLDED = { verb: MANY, instance: MANY, object: MANY, reason: MANY, requestId: MANY } as const;

/**
 * @param kindsMax so many for callers with credentials, and as many for those without: they are as many as they like,
 *   and take no room from the others.
 */
export const createDenialKinds = <Counted extends object>(kindsMax: number) => {
  const kinds = new Map<string, DenialKind & Counted>();
  const taken = new Map<string, number>();
  const takenBy = (whose: string): number => taken.get(whose) ?? 0;

  /** The last of them always has room. */
  const candidatesOf = ({ entry, why }: Denial): readonly (DenialKind & { readonly hasRoom: boolean })[] => {
    const { principal, peer, verb, instance } = entry;
    const isStranger = principal === 'nobody';
    const crowd = isStranger ? 'strangers' : 'callers';
    const caller = JSON.stringify([crowd, isStranger ? addressIn(peer) : principal]);
    const anyone = isStranger ? { peer: MANY } : { principal: MANY, peer: MANY };
    return [
      {
        key: JSON.stringify([caller, verb, instance, why]),
        takenOf: [crowd, caller],
        hasRoom: takenBy(caller) < KINDS_OF_ONE_MAX && takenBy(crowd) < kindsMax * SHARE_IN_FULL,
        together: (first) => first,
      },
      {
        key: caller,
        takenOf: [crowd],
        hasRoom: takenBy(crowd) < kindsMax,
        together: (first) => ({ entry: { ...first.entry, ...FOLDED }, why: MANY }),
      },
      {
        key: crowd,
        takenOf: [],
        hasRoom: true,
        together: (first) => ({ entry: { ...first.entry, ...FOLDED, ...anyone }, why: MANY }),
      },
    ];
  };

  return {
    /** The kind of a denial: one that is there, or a new one. */
    of: (denial: Denial, begin: () => Counted): DenialKind & Counted => {
      const chosen = candidatesOf(denial).find(({ key, hasRoom }) => hasRoom || kinds.has(key));
      if (chosen === undefined) throw new Error('a denial is of no kind');
      const { key, takenOf, together } = chosen;
      const found = kinds.get(key);
      if (found !== undefined) return found;
      const kind = { key, takenOf, together, ...begin() };
      kinds.set(key, kind);
      for (const whose of takenOf) taken.set(whose, takenBy(whose) + 1);
      return kind;
    },
    drop: ({ key, takenOf }: DenialKind): void => {
      if (!kinds.delete(key)) return;
      for (const whose of takenOf) {
        if (takenBy(whose) > 1) taken.set(whose, takenBy(whose) - 1);
        else taken.delete(whose);
      }
    },
    all: (): readonly (DenialKind & Counted)[] => [...kinds.values()],
  };
};

/** A new connection has a new port, and is the same stranger. */
const addressIn = (peer: string): string => peer.replace(/:\d*$/, '');
