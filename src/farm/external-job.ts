/** The job of a station that a DUT runs by itself: opened, fed and closed by its calls. Part of the caller's transaction. */
import type { OpenWork } from '../core/external-job.ts';
import { farmEvent } from '../core/farm-event.ts';
import type { LeaseEvent } from '../core/lease.ts';
import type { TestResult } from '../core/test-result.ts';
import { drawJobIds, insertJobs } from '../store/enqueue.ts';
import { internRequirements, lockJobs } from '../store/jobs.ts';
import { insertLeases, type LeaseRow, lockOpenLeases } from '../store/leases.ts';
import type { Queryable } from '../store/transaction.ts';
import type { FarmSeams } from './farm.ts';
import { type Ledger, moveJob, tallyJob } from './ledger.ts';
import { keepUntold, noteResults, settleLease } from './settle-lease.ts';

export type ExternalJob = {
  readonly instance: string;
  readonly deviceId: number;
  readonly station: string;
  /** The address of the DUT. */
  readonly peer: string;
};

/** Made, granted and started at once. Null: a bot has got the DUT in this moment, and the transaction must not be committed. */
export const openExternalJob = async (
  farm: FarmSeams,
  db: Queryable,
  ledger: Ledger,
  { instance, deviceId, station, peer }: ExternalJob,
): Promise<LeaseRow | null> => {
  const [requirementId = 0] = await internRequirements(db, [{ instance, canon: '[]', constraints: [] }]);
  const jobIds = await drawJobIds(db, 1);
  const [jobId = 0] = jobIds;
  const isAlone = { route: null, onFailed: 'stop', reservation: null, requestedBotId: null, priority: 0 } as const;
  const isRunnable = { heldBy: null, heldReason: null, payloadType: null, payload: null } as const;
  const noLimits = { queueTimeoutMs: null, matchTimeoutMs: null, executionTimeoutMs: null, expiresAt: null } as const;
  const trace = farm.tracer?.begin(null) ?? null;
  // Which tests it runs is the DUT's own affair.
  const work = { station, tests: [] };
  const asked = {
    id: jobId,
    instance,
    requestId: farm.newId(),
    station,
    work,
    requirementId,
    deviceId,
    attemptsMax: 1,
  };
  await insertJobs(db, [{ ...asked, ...isAlone, ...isRunnable, ...noLimits, trace }]);
  const lostAfterMs = farm.limits.external.silentMs;
  const granted = { id: farm.newId(), jobId, instance, sessionName: null, botId: peer, deviceId, station, attempt: 1 };
  const written = await insertLeases(db, [{ ...granted, gated: false, work: null, lostAfterMs }]);
  if (written.size === 0) return null;
  const [job] = await lockJobs(db, { jobIds, sessionNames: [] });
  const [lease] = await lockOpenLeases(db, { jobIds, sessionNames: [] });
  if (job === undefined || lease === undefined) throw new Error(`job ${String(jobId)} cannot be read back`);
  ledger.jobs.set(jobId, job);
  ledger.leases.set(lease.id, lease);
  tallyJob(ledger, job, 'QUEUED', 1);
  moveJob(ledger, job, 'GRANTED');
  job.botId = peer;
  const about = { jobId, deviceId };
  ledger.events.push(farmEvent('JOB_ENQUEUED', instance, { ...about, facts: { station, external: true } }));
  const facts = { station, attempt: 1, external: true };
  ledger.events.push(farmEvent('LEASE_GRANTED', instance, { ...about, leaseId: lease.id, botId: peer, facts }));
  ledger.tell.push((witness) => {
    witness.granted({ instance, station, queuedMs: 0, matchMs: null });
  });
  settleLease(farm, ledger, lease, { event: 'SHOWN_ACTIVE', why: 'the DUT began', completion: null, isTold: true });
  return lease;
};

/** The DUT was heard of. */
export const keepAlive = (farm: Pick<FarmSeams, 'limits'>, ledger: Ledger, lease: LeaseRow): void => {
  if (lease.closedAt !== null) return;
  lease.executionDeadline = new Date(ledger.now.getTime() + farm.limits.external.silentMs);
  ledger.changedLeases.add(lease);
};

/** First results stand, as a bot's do. */
export const feedExternalJob = (farm: FarmSeams, ledger: Ledger, lease: LeaseRow, result: TestResult): void => {
  noteResults(ledger, lease, keepUntold(farm, ledger, lease, [result]));
};

/** By the DUT's own word, which is a result of the station itself. The verdict is the farm's, as ever. */
export const endExternalJob = (farm: FarmSeams, ledger: Ledger, lease: LeaseRow, result: TestResult): void => {
  const completion = { results: [result], unread: null, result: null, code: 0, message: '' };
  settleLease(farm, ledger, lease, { event: 'COMPLETED_OK', why: 'the DUT ended it', completion, isTold: true });
};

/** Without a word of the DUT: the shopfloor is told so by the farm. */
export const breakExternalJob = (
  farm: FarmSeams,
  ledger: Ledger,
  lease: LeaseRow,
  { event, why }: { readonly event: LeaseEvent; readonly why: string },
): void => {
  settleLease(farm, ledger, lease, { event, why, completion: null });
};

/** The lease of the work, of those that are locked. */
export const leaseOf = (ledger: Ledger, work: OpenWork): LeaseRow => {
  const lease = ledger.leases.get(work.leaseId);
  if (lease === undefined) throw new Error(`lease ${work.leaseId} was not locked`);
  return lease;
};
