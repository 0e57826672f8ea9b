/** Ends what has run out: sessions, leases, jobs. Any replica may; each round is one short transaction (ARCHITECTURE, Loss and clocks). */
import { farmEvent } from '../core/farm-event.ts';
import { hasEnded } from '../core/job.ts';
import type { LeaseEvent } from '../core/lease.ts';
import { appendEvents } from '../store/farm-events.ts';
import { lockJobs } from '../store/jobs.ts';
import { lockOpenLeases } from '../store/leases.ts';
import { closeEmptyLapsed, type DueJob, findDueJobs, lockDueLeases, lockLapsed, markLapsed } from '../store/sweeps.ts';
import { isOutage } from '../store/outage.ts';
import type { Queryable } from '../store/transaction.ts';
import { advanceRoute } from './advance-route.ts';
import { type Farm, transact } from './farm.ts';
import { announce, type Ledger, moveJob, openLedger, writeLedger } from './ledger.ts';
import { closeGate, endJob, settleLease } from './settle-lease.ts';

/** Sessions past their time to live: shown lost, un-started leases go back; those with nothing left are closed. */
export const sweepSessions = async (farm: Farm): Promise<void> => {
  const ledger = await transact(farm, async (db) => {
    const lapsed = await lockLapsed(db, sweeper(farm));
    const [first] = lapsed;
    if (first === undefined) return null;
    const sessionNames = lapsed.map(({ name }) => name);
    const ledger = await load(db, first.now, { sessionNames, jobIds: [] });
    for (const { name, instance, botId } of lapsed) {
      ledger.events.push(farmEvent('SESSION_LAPSED', instance, { botId, facts: {} }));
      ledger.wakes.push({ kind: 'session', name });
    }
    for (const lease of ledger.leases.values()) {
      settleLease(farm, ledger, lease, { event: 'SESSION_LAPSED', why: 'its bot fell silent', completion: null });
    }
    await markLapsed(db, sessionNames);
    await finish(db, ledger, sessionNames);
    return ledger;
  });
  if (ledger !== null) announce(ledger, farm);
};

/** Leases past their accept time, cancel grace, execution limit, or whose bot has been silent for `lost_after`. */
export const sweepLeases = async (farm: Farm): Promise<void> => {
  const ledger = await transact(farm, async (db) => {
    const due = await lockDueLeases(db, sweeper(farm), farm.limits.jobs);
    if (due === null) return null;
    const jobIds = due.leases.map(({ jobId }) => jobId);
    const ledger = await load(db, due.now, { sessionNames: [], jobIds });
    for (const { leaseId, event, sessionName } of due.leases) {
      const lease = ledger.leases.get(leaseId);
      if (lease === undefined) continue;
      settleLease(farm, ledger, lease, { event, why: whyOf[event] ?? '', completion: null });
      ledger.wakes.push({ kind: 'session', name: sessionName });
    }
    await finish(db, ledger, due.sessionNames);
    return ledger;
  });
  if (ledger !== null) announce(ledger, farm);
};

const whyOf: Partial<Record<LeaseEvent, string>> = {
  LOST_AFTER_PASSED: 'its bot was not heard of for longer than lost_after',
  CANCEL_GRACE_PASSED: 'the bot did not acknowledge the cancel within its grace',
  ACCEPT_TIMED_OUT: 'the bot did not start it in time',
  EXECUTION_TIMED_OUT: 'it ran longer than its execution timeout',
};

/** Jobs that waited too long, or must have ended by now. */
export const sweepJobs = async (farm: Farm): Promise<void> => {
  for (const due of await findDueJobs(farm.pool)) {
    try {
      announce(await transact(farm, (db) => expireJob(farm, db, due)), farm);
    } catch (error) {
      if (isOutage(error)) throw error;
      // One job that cannot be ended must not keep the others alive.
      farm.log.error(
        { err: error, jobId: due.id },
        'a job past its time could not be ended; the next tick tries again',
      );
    }
  }
};

const expireJob = async (farm: Farm, db: Queryable, due: DueJob): Promise<Ledger> => {
  const ledger = await load(db, due.now, { sessionNames: [], jobIds: [due.id] });
  const job = ledger.jobs.get(due.id);
  if (job === undefined || hasEnded(job.state)) return ledger;
  const [lease] = ledger.leases.values();
  const why = jobWords[due.cause];
  if (lease !== undefined) {
    // A bot has it: its time in the queue is over.
    if (due.cause !== 'EXPIRED') return ledger;
    settleLease(farm, ledger, lease, { event: 'EXPIRED', why, completion: null });
  } else {
    const wasAtHead = job.heldBy !== 'ROUTE';
    closeGate(farm, ledger, job, why);
    moveJob(ledger, job, 'TIMED_OUT');
    endJob(ledger, job, { verdict: null, cause: due.cause, why });
    advanceRoute(farm, ledger, job, wasAtHead);
  }
  await writeLedger(db, ledger);
  return ledger;
};

const jobWords = {
  QUEUE_TIMEOUT: 'it was queued longer than its queue timeout',
  MATCH_TIMEOUT: 'no bot that matches was there within its match timeout',
  EXPIRED: 'it had not ended by its expire time',
} as const;

const sweeper = (farm: Farm): { replica: string; ttlMs: number } => ({
  replica: farm.replica,
  ttlMs: farm.limits.session.ttlMs,
});

/** In lock order; the sessions were locked before. */
const load = async (
  db: Queryable,
  now: Date,
  wanted: { readonly sessionNames: readonly string[]; readonly jobIds: readonly number[] },
): Promise<Ledger> => {
  const jobs = await lockJobs(db, wanted);
  const leases = await lockOpenLeases(db, wanted);
  return openLedger(now, { jobs, leases });
};

const finish = async (db: Queryable, ledger: Ledger, sessionNames: readonly string[]): Promise<void> => {
  await writeLedger(db, ledger);
  const closed = await closeEmptyLapsed(db, sessionNames);
  if (closed.length === 0) return;
  const events = closed.map(({ instance, botId }) =>
    farmEvent('SESSION_CLOSED', instance, { botId, facts: { reason: 'expired' } }),
  );
  await appendEvents(db, events);
  ledger.events.push(...events);
};
