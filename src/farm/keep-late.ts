/** Completions of leases that have ended: answered OK, changing nothing, and kept where they say something new (invariant 6). */
import { farmEvent } from '../core/farm-event.ts';
import type { Completion } from '../core/session-report.ts';
import { type LeaseRow, readLeases } from '../store/leases.ts';
import { readResults } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import type { FarmSeams } from './farm.ts';
import { keepStale, repeats } from './keep-results.ts';
import { enterResult, type Ledger } from './ledger.ts';

/** A completion as a bot reports it, through whichever of its sessions. */
export type Completed = {
  readonly instance: string;
  readonly botId: string;
  readonly leaseId: string;
  readonly completion: Completion;
};

export const testsOf = (completions: readonly Completed[]): string[] =>
  completions.flatMap(({ completion }) => completion.results.map(({ testId }) => testId));

/** Of the completions whose lease is not open in the ledger, keeps as stale what was not told before. */
export const keepLate = async (
  farm: Pick<FarmSeams, 'limits'>,
  db: Queryable,
  ledger: Ledger,
  completions: readonly Completed[],
): Promise<void> => {
  const late = completions.filter(({ leaseId }) => !ledger.leases.has(leaseId));
  if (late.length === 0) return;
  const leaseIds = late.map(({ leaseId }) => leaseId);
  const leases = new Map((await readLeases(db, leaseIds)).map((lease) => [lease.id, lease]));
  const since = [...leases.values()].map(({ id, grantedAt }) => ({ id, resultsSince: grantedAt }));
  const told = await readResults(db, since, testsOf(late));
  for (const result of told) enterResult(ledger, result);
  for (const { instance, botId, leaseId, completion } of late) {
    const lease = leases.get(leaseId);
    // Nobody reports another bot's work; and what is open is another session's to report.
    if (lease?.instance !== instance || lease.botId !== botId || lease.closedAt === null) continue;
    const fresh = completion.results.filter(
      (result) =>
        !told.some((known) => known.leaseId === leaseId && known.testId === result.testId && repeats(known, result)),
    );
    if (fresh.length > 0) keepFresh(farm, ledger, lease, fresh);
  }
};

const keepFresh = (
  { limits }: Pick<FarmSeams, 'limits'>,
  ledger: Ledger,
  lease: LeaseRow,
  results: Completion['results'],
): void => {
  const { instance, jobId, botId, deviceId } = lease;
  const kept = results.filter((result) => keepStale(limits, ledger, lease, result));
  ledger.tell.push((witness) => {
    witness.fenced('lease');
  });
  if (kept.length === 0) return;
  const facts = { results: kept.length, state: lease.state };
  ledger.events.push(farmEvent('LATE_COMPLETION', instance, { jobId, leaseId: lease.id, botId, deviceId, facts }));
};
