/** Completions of leases that have ended: answered OK, changing nothing, and kept where they say something new (invariant 6). */
import { farmEvent } from '../core/farm-event.ts';
import type { Completion } from '../core/session-report.ts';
import { saysTheSame } from '../core/test-result.ts';
import { type LeaseRow, readLeases } from '../store/leases.ts';
import { readTold } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import type { FarmSeams } from './farm.ts';
import type { Ledger } from './ledger.ts';

/** A completion as a bot reports it, through whichever of its sessions. */
export type Completed = {
  readonly instance: string;
  readonly botId: string;
  readonly leaseId: string;
  readonly completion: Completion;
};

/** Of the completions whose lease is not open in the ledger, keeps as stale what was not told before. */
export const keepLate = async (
  farm: Pick<FarmSeams, 'witness'>,
  db: Queryable,
  ledger: Ledger,
  completions: readonly Completed[],
): Promise<void> => {
  const late = completions.filter(({ leaseId }) => !ledger.leases.has(leaseId));
  if (late.length === 0) return;
  const leaseIds = late.map(({ leaseId }) => leaseId);
  const leases = new Map((await readLeases(db, leaseIds)).map((lease) => [lease.id, lease]));
  const told = await readTold(db, [...leases.values()]);
  for (const { instance, botId, leaseId, completion } of late) {
    const lease = leases.get(leaseId);
    // Nobody reports another bot's work; and what is open is another session's to report.
    if (lease?.instance !== instance || lease.botId !== botId || lease.closedAt === null) continue;
    const fresh = completion.results.filter(
      (result) => !told.some((known) => known.leaseId === leaseId && isRepeat(known.result, result)),
    );
    if (fresh.length > 0) keep(farm, ledger, lease, fresh);
  }
};

const isRepeat = (a: Completion['results'][number], b: Completion['results'][number]): boolean =>
  a.testId === b.testId && saysTheSame(a, b);

const keep = (
  farm: Pick<FarmSeams, 'witness'>,
  ledger: Ledger,
  lease: LeaseRow,
  results: Completion['results'],
): void => {
  const { instance, jobId, botId, deviceId, attempt } = lease;
  for (const result of results) {
    const { testId, status } = result;
    ledger.results.push({ leaseId: lease.id, jobId, attempt, testId, status, result, stale: true });
  }
  const facts = { results: results.length, state: lease.state };
  ledger.events.push(farmEvent('LATE_COMPLETION', instance, { jobId, leaseId: lease.id, botId, deviceId, facts }));
  ledger.tell.push((witness) => {
    witness.fenced('lease');
  });
};
