/** Somebody wants a job stopped. Cancel against complete: the first commit wins (invariant 7). */
import { Refusal } from '../core/refusal.ts';
import { hasEnded } from '../core/job.ts';
import { readFarmNow } from '../store/gates.ts';
import { lockJobs } from '../store/jobs.ts';
import { lockOpenLeases } from '../store/leases.ts';
import type { Queryable } from '../store/transaction.ts';
import { advanceRoute } from './advance-route.ts';
import { type Farm, transact } from './farm.ts';
import { announce, type Ledger, moveJob, openLedger, writeLedger } from './ledger.ts';
import { checkedReason } from './operators-reason.ts';
import { closeGate, endJob, settleLease } from './settle-lease.ts';

export type Cancelled = { readonly outcome: 'CANCELLED' | 'CANCELLING' | 'ALREADY_CANCELLING' };

export type CancelWish = {
  readonly instance: string;
  readonly id: number;
  readonly reason: string;
  /** Leaves a job alone that a bot has. */
  readonly onlyIfQueued?: boolean;
};

/**
 * @throws Refusal NOT_FOUND; WRONG_STATE with reason ALREADY_FINISHED when the job has ended, ALREADY_ASSIGNED when a bot
 * has it and it was to be cancelled only if queued; INVALID for a reason that cannot be kept.
 */
export const cancelJob = async (farm: Farm, job: CancelWish): Promise<Cancelled> => {
  const reason = checkedReason(farm.limits, job.reason, { required: false });
  const done = await transact(farm, (db) => cancel(farm, db, { ...job, reason }));
  announce(done.ledger, farm);
  return { outcome: done.outcome };
};

const cancel = async (
  farm: Farm,
  db: Queryable,
  wanted: CancelWish,
): Promise<Cancelled & { readonly ledger: Ledger }> => {
  const jobIds = [wanted.id];
  const jobs = await lockJobs(db, { jobIds, sessionNames: [] });
  const job = jobs.find(({ id }) => id === wanted.id);
  if (job?.instance !== wanted.instance) throw noSuchJob(wanted);
  if (hasEnded(job.state)) {
    throw new Refusal(
      'WRONG_STATE',
      'ALREADY_FINISHED',
      `Job ${String(job.id)} has already ended as ${job.state}; there is nothing left to cancel.`,
      { state: job.state },
    );
  }
  if (wanted.onlyIfQueued === true && job.state !== 'QUEUED') {
    throw new Refusal(
      'WRONG_STATE',
      'ALREADY_ASSIGNED',
      `Job ${String(job.id)} is ${job.state}: a bot has it. Cancel it without "only if pending".`,
      { state: job.state },
    );
  }
  const leases = await lockOpenLeases(db, { sessionNames: [], jobIds });
  const ledger = openLedger(await readFarmNow(db), { jobs, leases });
  if (job.state === 'CANCELLING') return { outcome: 'ALREADY_CANCELLING', ledger };
  job.cancelReason = wanted.reason === '' ? 'cancelled on request' : wanted.reason;
  ledger.changedJobs.add(job);
  const [lease] = leases;
  if (lease !== undefined) {
    settleLease(farm, ledger, lease, { event: 'CANCEL_ASKED', why: job.cancelReason, completion: null });
    // Nobody is there who could be asked to stop, and would acknowledge it.
    if (lease.sessionName === null) {
      settleLease(farm, ledger, lease, { event: 'CANCEL_GRACE_PASSED', why: job.cancelReason, completion: null });
    }
  } else {
    const wasAtHead = job.heldBy !== 'ROUTE';
    closeGate(farm, ledger, job, job.cancelReason);
    moveJob(ledger, job, 'CANCEL_ASKED');
    endJob(ledger, job, { verdict: null, cause: null, why: job.cancelReason });
    advanceRoute(farm, ledger, job, wasAtHead);
  }
  await writeLedger(db, ledger);
  return { outcome: lease === undefined || lease.sessionName === null ? 'CANCELLED' : 'CANCELLING', ledger };
};

export const noSuchJob = (job: { readonly instance: string; readonly id: number }): Refusal =>
  new Refusal(
    'NOT_FOUND',
    'NO_SUCH_JOB',
    `There is no job ${String(job.id)} in instance ${JSON.stringify(job.instance)}. Look it up with job list.`,
  );
