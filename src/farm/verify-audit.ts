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
};

/** Walks all chains, one after the other, at most `recordsMax` records at a step. */
export const walkAudit = (db: Queryable, recordsMax: number): AuditWalk => {
  const heads: VerifiedHead[] = [];
  let chain: ReturnType<typeof createChainCheck> | null = null;
  let last: Place = BEFORE_ALL;
  const leave = (): void => {
    if (chain === null) return;
    const { head, ended } = chain.end();
    heads.push({ ...head, stopped: ended });
    chain = null;
  };
  return {
    next: async () => {
      const page = await readAuditPage(db, last, recordsMax);
      const vouched = page.flatMap((record) => vouchedBy(`the chain of ${record.replica}`, headsIn(record)));
      const findings = [...(await findMissing(db, vouched))];
      // Everything was read: from here on the step is taken.
      for (const record of page) {
        if (record.replica !== last.replica) leave();
        chain ??= createChainCheck(record.replica, sha256);
        findings.push(...chain.check(record));
        last = record;
      }
      const isOver = page.length < recordsMax;
      if (isOver) leave();
      return { records: page.length, findings, isOver };
    },
    heads: () => heads,
  };
};

type Place = Pick<ChainHead, 'replica' | 'seq'>;
const BEFORE_ALL: Place = { replica: '00000000-0000-0000-0000-000000000000', seq: 0 };

/** An end of a chain, and who says that it is there. */
export type Vouched = ChainHead & { readonly by: string };

export const vouchedBy = (by: string, heads: readonly ChainHead[]): readonly Vouched[] =>
  heads.map((head) => ({ ...head, by }));

/** A chain cannot be cut short, or taken away, once somebody has named its end. */
export const findMissing = async (db: Queryable, vouched: readonly Vouched[]): Promise<readonly AuditFinding[]> => {
  if (vouched.length === 0) return [];
  const found = await readAuditHashes(db, vouched);
  return vouched.flatMap(({ replica, seq, hash, by }, index) => {
    const there = found[index] ?? null;
    if (there === hash) return [];
    const words =
      there === null
        ? `it is missing, and ${by} knows of it: the end of this chain was cut off`
        : `${by} knows it with another hash: it was written anew`;
    return [{ replica, seq, words }];
  });
};
