/** Reads the whole audit and says what in it its writers cannot have written. Reads only, a page at a time. */
import { type AuditFinding, type ChainHead, createChainCheck, headsIn } from '../core/audit-chain.ts';
import { readAuditHashes, readAuditPage } from '../store/audit.ts';
import type { Queryable } from '../store/transaction.ts';
import { sha256 } from './audit.ts';

export type VerifiedHead = ChainHead & {
  /** False: the replica lives, or was killed. Whether anything was cut off its end is then not told by the chain itself. */
  readonly stopped: boolean;
};

export type AuditVerified = {
  readonly records: number;
  /** The end of every chain: kept elsewhere, they are what a later run is checked against. */
  readonly heads: readonly VerifiedHead[];
  readonly findings: readonly AuditFinding[];
};

const PAGE = 1000;

/** @param against ends of chains that somebody kept; whatever they vouch for must still be there. */
export const verifyAudit = async (db: Queryable, against: readonly ChainHead[] = []): Promise<AuditVerified> => {
  const walk = walkAudit(db, PAGE);
  const findings: AuditFinding[] = [];
  let records = 0;
  for (let isOver = false; !isOver;) {
    const step = await walk.next();
    findings.push(...step.findings);
    records += step.records;
    isOver = step.isOver;
  }
  findings.push(...(await findMissing(db, vouchedBy('the ends that were kept', against))));
  return { records, heads: walk.heads(), findings };
};

export type AuditStep = {
  readonly records: number;
  readonly findings: readonly AuditFinding[];
  /** Nothing comes after these records. */
  readonly isOver: boolean;
};

export type AuditWalk = {
  /** Verifies the next records. A step that rejects has not been taken: it can be tried again. */
  readonly next: () => Promise<AuditStep>;
  /** The ends of the chains that were walked to their end. */
  readonly heads: () => readonly VerifiedHead[];
  /**
   * Of these, the ones that no walked chain names. Whoever cuts off another one has to cut off what names it as well, and
   * so at last one of these.
   */
  readonly unnamed: () => readonly VerifiedHead[];
};

/**
 * Walks all chains whole, one after the other, at most `recordsMax` records at a step.
 * @param from the chains after this replica's come first, then the others, its own last.
 */
export const walkAudit = (db: Queryable, recordsMax: number, from: string = FIRST): AuditWalk => {
  const heads: VerifiedHead[] = [];
  /** By replica, the last of its records that a chain names. */
  const named = new Map<string, number>();
  let chain: ReturnType<typeof createChainCheck> | null = null;
  let last: Place = { replica: from, seq: Number.MAX_SAFE_INTEGER };
  /** The chains after `from`'s are done. */
  let isPastEnd = false;
  const leave = (): void => {
    if (chain === null) return;
    const { head, ended } = chain.end();
    heads.push({ ...head, stopped: ended });
    chain = null;
  };
  return {
    next: async () => {
      const page = await readAuditPage(db, { last, until: isPastEnd ? from : LAST }, recordsMax);
      const vouched = page.flatMap((record) => vouchedBy(`the chain of ${record.replica}`, headsIn(record)));
      const findings: AuditFinding[] = [...(await findMissing(db, vouched))];
      // Everything was read: from here on the step is taken.
      for (const { replica, seq } of vouched) named.set(replica, Math.max(seq, named.get(replica) ?? 0));
      for (const record of page) {
        if (record.replica !== last.replica) leave();
        chain ??= createChainCheck(record.replica, sha256);
        findings.push(...chain.check(record));
        last = record;
      }
      const isOver = isPastEnd && page.length < recordsMax;
      if (page.length < recordsMax) {
        leave();
        last = { replica: FIRST, seq: 0 };
        isPastEnd = true;
      }
      return { records: page.length, findings, isOver };
    },
    heads: () => heads,
    unnamed: () => heads.filter(({ replica, seq }) => (named.get(replica) ?? 0) < seq),
  };
};

type Place = Pick<ChainHead, 'replica' | 'seq'>;
const FIRST = '00000000-0000-0000-0000-000000000000';
const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** An end of a chain, and who says that it is there. */
export type Vouched = ChainHead & { readonly by: string };

export const vouchedBy = (by: string, heads: readonly ChainHead[]): readonly Vouched[] =>
  heads.map((head) => ({ ...head, by }));

/** An end that is not there as it was, with the hash by which it is known. */
export type MissingHead = AuditFinding & ChainHead;

/** A chain cannot be cut short, or taken away, once somebody has named its end. */
export const findMissing = async (db: Queryable, vouched: readonly Vouched[]): Promise<readonly MissingHead[]> => {
  if (vouched.length === 0) return [];
  const found = await readAuditHashes(db, vouched);
  return vouched.flatMap(({ replica, seq, hash, by }, index) => {
    const there = found[index] ?? null;
    if (there === hash) return [];
    const words =
      there === null
        ? `it is missing, and ${by} knows of it: the end of this chain was cut off`
        : `${by} knows it with another hash: it was written anew`;
    return [{ replica, seq, hash, words }];
  });
};
