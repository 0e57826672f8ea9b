/**
 * Verifies the audit for the replica that leads: all of it, again and again, a little at a time. So whoever rewrites it is
 * found out while nobody asks.
 */
import type { AuditFinding, ChainHead } from '../core/audit-chain.ts';
import type { FarmSeams } from './farm.ts';
import type { Duty } from './lead.ts';
import { type AuditStep, findMissing, type MissingHead, vouchedBy, walkAudit } from './verify-audit.ts';

/** Of one step; what more there is, `stationgrid audit verify` says. */
const LOGGED_MAX = 20;

/** @param told hears what is wrong with the audit: of this round or of the one before, whichever found more. */
export const watchAudit = (
  { replica, pool, limits, log }: Pick<FarmSeams, 'replica' | 'pool' | 'limits' | 'log'>,
  told: (findings: number) => void,
): Duty => {
  const { verifyEveryMs, verifyRowsMax, verifyHeadsMax } = limits.audit;
  // Its id is random, so each leader begins elsewhere: where none leads for a whole round, no chain is left out for ever.
  const begin = () => walkAudit(pool, verifyRowsMax, replica);
  let walk = begin();
  /** Ends of chains that were there in an earlier round; null: they have been looked for in this one. */
  let vouched: readonly ChainHead[] | null = null;
  /** Of those, what is there no longer. It is missed in every round until it is back: no chain tells of it. */
  let missed: readonly MissingHead[] = [];
  let found = 0;
  let foundBefore = 0;
  const step = async (): Promise<AuditStep> => {
    if (vouched === null) return walk.next();
    missed = await findMissing(pool, vouchedBy('an earlier round', vouched));
    vouched = null;
    return { records: 0, findings: missed, isOver: false };
  };
  return {
    name: 'audit',
    everyMs: verifyEveryMs,
    do: async () => {
      const { findings, isOver } = await step();
      tell(log, findings);
      found += findings.length;
      told(Math.max(found, foundBefore));
      if (!isOver) return;
      vouched = [...missed, ...walk.unnamed()].slice(0, verifyHeadsMax);
      walk = begin();
      foundBefore = found;
      found = 0;
    },
  };
};

const tell = (log: FarmSeams['log'], findings: readonly AuditFinding[]): void => {
  if (findings.length === 0) return;
  log.error(
    { findings: findings.slice(0, LOGGED_MAX), of: findings.length },
    'the audit was rewritten: it holds what its writers cannot have written, or misses what they did',
  );
};
