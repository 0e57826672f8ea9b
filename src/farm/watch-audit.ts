/**
 * Verifies the audit for the replica that leads: all of it, again and again, a little at a time. So whoever rewrites it is
 * found out while nobody asks. A new leader begins at the beginning.
 */
import type { AuditFinding } from '../core/audit-chain.ts';
import type { FarmSeams } from './farm.ts';
import type { Duty } from './lead.ts';
import { type AuditStep, findMissing, type VerifiedHead, vouchedBy, walkAudit } from './verify-audit.ts';

/** Of one step; what more there is, `stationgrid audit verify` says. */
const LOGGED_MAX = 20;

/** @param told hears what is wrong with the audit: of this round or of the one before, whichever found more. */
export const watchAudit = (
  { pool, limits, log }: Pick<FarmSeams, 'pool' | 'limits' | 'log'>,
  told: (findings: number) => void,
): Duty => {
  const { verifyEveryMs, verifyRowsMax, verifyHeadsMax } = limits.audit;
  let walk = walkAudit(pool, verifyRowsMax);
  /** Ends of chains that the round before saw; null: they have been looked for in this round. */
  let vouched: readonly VerifiedHead[] | null = null;
  let found = 0;
  let foundBefore = 0;
  const step = async (): Promise<AuditStep> => {
    if (vouched === null) return walk.next();
    const findings = await findMissing(pool, vouchedBy('the round before', vouched));
    vouched = null;
    return { records: 0, findings, isOver: false };
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
      // The ends of the others are in the chains that began after them.
      vouched = walk
        .heads()
        .filter(({ stopped }) => !stopped)
        .slice(0, verifyHeadsMax);
      walk = walkAudit(pool, verifyRowsMax);
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
