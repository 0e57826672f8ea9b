/** Reads the whole audit and says what in it its writers cannot have written. Reads only, a page at a time. */
import { type AuditFinding, type ChainHead, createChainCheck, headsIn } from '../core/audit-chain.ts';
import { readAuditChain, readAuditChains } from '../store/audit.ts';
import type { Queryable } from '../store/transaction.ts';
import { sha256 } from './audit.ts';

export type AuditVerified = {
  readonly records: number;
  /** The end of every chain: kept elsewhere, they are what a later run is checked against. */
  readonly heads: readonly (ChainHead & {
    /** False: the replica lives, or was killed. Whether anything was cut off its end is then not told by the chain itself. */
    readonly stopped: boolean;
  })[];
  readonly findings: readonly AuditFinding[];
};

const PAGE = 1000;

/** @param against ends of chains that somebody kept; whatever they vouch for must still be there. */
export const verifyAudit = async (
  db: Queryable,
  against: readonly ChainHead[] = [],
  progress: (records: number) => void = () => undefined,
): Promise<AuditVerified> => {
  const findings: AuditFinding[] = [];
  const heads: AuditVerified['heads'][number][] = [];
  const vouched: Vouched[] = against.map((head) => ({ head, by: 'the ends that were kept' }));
  let records = 0;
  for (const replica of await readAuditChains(db)) {
    const chain = createChainCheck(replica, sha256);
    for (let after = 0; ;) {
      const page = await readAuditChain(db, { replica, after, limit: PAGE });
      for (const record of page) {
        findings.push(...chain.check(record));
        vouched.push(...headsIn(record).map((head) => ({ head, by: `the chain of ${replica}` })));
        after = record.seq;
      }
      records += page.length;
      progress(records);
      if (page.length < PAGE) break;
    }
    const { head, ended } = chain.end();
    heads.push({ ...head, stopped: ended });
  }
  for (const each of vouched) findings.push(...(await checkVouched(db, each)));
  return { records, heads, findings };
};

type Vouched = { readonly head: ChainHead; readonly by: string };

/** A chain cannot be cut short, or taken away, once another has named its end. */
const checkVouched = async (db: Queryable, { head, by }: Vouched): Promise<readonly AuditFinding[]> => {
  const { replica, seq, hash } = head;
  const [record] = await readAuditChain(db, { replica, after: seq - 1, limit: 1 });
  if (record?.seq === seq && record.hash === hash) return [];
  const words =
    record?.seq === seq
      ? `${by} knows it with another hash: it was written anew`
      : `it is missing, and ${by} knows of it: the end of this chain was cut off`;
  return [{ replica, seq, words }];
};
