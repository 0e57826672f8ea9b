/** Ends stations that DUTs run by themselves: of those that fell silent, and those whose job was cancelled. */
import { findDueExternal } from '../store/external-jobs.ts';
import { lockJobs } from '../store/jobs.ts';
import { lockOpenLeases } from '../store/leases.ts';
import { isOutage } from '../store/outage.ts';
import { breakExternalJob } from './external-job.ts';
import { type Farm, transact } from './farm.ts';
import { announce, openLedger, writeLedger } from './ledger.ts';

export const sweepExternal = async (farm: Farm): Promise<void> => {
  for (const due of await findDueExternal(farm.pool)) {
    try {
      await sweep(farm, due);
    } catch (error) {
      if (isOutage(error)) throw error;
      farm.log.error(
        { err: error, jobId: due.jobId },
        'the job of a silent DUT could not be ended; the next tick tries again',
      );
    }
  }
};

const sweep = async (
  farm: Farm,
  due: { readonly leaseId: string; readonly jobId: number; readonly now: Date },
): Promise<void> => {
  const wanted = { jobIds: [due.jobId], sessionNames: [] };
  const ledger = await transact(farm, async (db) => {
    const jobs = await lockJobs(db, wanted);
    const leases = await lockOpenLeases(db, wanted);
    const opened = openLedger(due.now, { jobs, leases });
    const lease = opened.leases.get(due.leaseId);
    if (lease === undefined) return opened;
    const isSilent = lease.executionDeadline !== null && lease.executionDeadline < due.now;
    // The DUT may have called since it was found.
    if (lease.state === 'CANCELLING') breakExternalJob(farm, opened, lease, cancelled);
    else if (isSilent) breakExternalJob(farm, opened, lease, silent);
    await writeLedger(db, opened);
    return opened;
  });
  announce(ledger, farm);
};

const cancelled = { event: 'CANCEL_GRACE_PASSED', why: 'cancelled; the DUT that runs it cannot be told' } as const;
const silent = {
  event: 'LOST_AFTER_PASSED',
  why: 'the DUT has not called for longer than limits.external.silent',
} as const;
