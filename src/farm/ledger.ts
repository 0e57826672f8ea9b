/**
 * The working set of one transaction: rows that were locked, what is to become of them, and what follows from that. The
 * transitions work on it in memory; it is written once, table by table, however many bots share the commit.
 */
import type { FarmEvent } from '../core/farm-event.ts';
import { type JobEvent, type JobState, jobTable } from '../core/job.ts';
import type { JobRow } from '../store/jobs.ts';
import { updateJobs } from '../store/jobs.ts';
import type { Span } from '../core/trace.ts';
import { type LeaseRow, updateLeases } from '../store/leases.ts';
import { settleDevices } from '../store/devices.ts';
import { appendEvents } from '../store/farm-events.ts';
import { type CallToOwe, oweCalls } from '../store/owed-calls.ts';
import { addTallies, type Tally } from '../store/tallies.ts';
import { insertResults, type NewResult, type StoredResult } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import type { Tracer, Wake, Witness } from './farm.ts';

/** The test results of an attempt, those of this transaction included. */
export type AttemptRecord = {
  /** Those that stand, by test id, in the order in which they came. */
  readonly standing: Map<string, StoredResult>;
  standingBytes: number;
  stale: number;
  staleBytes: number;
};

export type Ledger = {
  /** The database's clock, read in this transaction. */
  readonly now: Date;
  /** What was lost of before, an outage of the farm's own has cost; null: there was none lately, or nothing is lost here. */
  readonly outageEnd: Date | null;
  readonly jobs: Map<number, JobRow>;
  readonly leases: Map<string, LeaseRow>;
  /** What is on record of an attempt, by its lease. */
  readonly onRecord: Map<string, AttemptRecord>;
  readonly changedJobs: Set<JobRow>;
  readonly changedLeases: Set<LeaseRow>;
  readonly results: NewResult[];
  readonly calls: CallToOwe[];
  readonly events: FarmEvent[];
  readonly settling: { readonly id: number; readonly forMs: number; readonly reason: string }[];
  readonly tallies: Tally[];
  /** To be sent, and to be told, once the commit is in. */
  readonly wakes: Wake[];
  readonly tell: ((witness: Witness) => void)[];
  readonly spans: Span[];
};

export const openLedger = (
  now: Date,
  rows: {
    readonly jobs?: readonly JobRow[];
    readonly leases?: readonly LeaseRow[];
    readonly results?: readonly StoredResult[];
    readonly outageEnd?: Date | null;
  } = {},
): Ledger => {
  const ledger: Ledger = {
    now,
    outageEnd: rows.outageEnd ?? null,
    jobs: new Map((rows.jobs ?? []).map((job) => [job.id, job])),
    leases: new Map((rows.leases ?? []).map((lease) => [lease.id, lease])),
    onRecord: new Map(),
    changedJobs: new Set(),
    changedLeases: new Set(),
    results: [],
    calls: [],
    events: [],
    settling: [],
    tallies: [],
    wakes: [],
    tell: [],
    spans: [],
  };
  for (const result of rows.results ?? []) enterResult(ledger, result);
  return ledger;
};

export const recordOf = ({ onRecord }: Ledger, leaseId: string): AttemptRecord => {
  const known = onRecord.get(leaseId);
  if (known !== undefined) return known;
  const fresh: AttemptRecord = { standing: new Map(), standingBytes: 0, stale: 0, staleBytes: 0 };
  onRecord.set(leaseId, fresh);
  return fresh;
};

/** Counts it among those of its attempt. */
export const enterResult = (ledger: Ledger, result: StoredResult): void => {
  const record = recordOf(ledger, result.leaseId);
  if (result.stale) {
    record.stale += 1;
    record.staleBytes += result.bytes;
  } else {
    record.standing.set(result.testId, result);
    record.standingBytes += result.bytes;
  }
};

/** The job of a lease; it was locked before the lease was. */
export const jobOf = (ledger: Ledger, lease: LeaseRow): JobRow => {
  const job = ledger.jobs.get(lease.jobId);
  if (job === undefined) throw new Error(`lease ${lease.id} was locked without its job ${String(lease.jobId)}`);
  return job;
};

/** Moves a job by its table. False: the event is a repeat or moot, and nothing changed. */
export const moveJob = (ledger: Ledger, job: JobRow, event: JobEvent): boolean => {
  const cell = jobTable[job.state][event];
  if (cell === 'moot' || cell === 'repeat') return false;
  tallyJob(ledger, job, job.state, -1);
  tallyJob(ledger, job, cell, 1);
  job.state = cell;
  ledger.changedJobs.add(job);
  ledger.wakes.push({ kind: 'job', id: job.id });
  return true;
};

export const tallyJob = (
  ledger: Ledger,
  job: { readonly instance: string; readonly station: string },
  state: JobState,
  n: number,
): void => {
  ledger.tallies.push({ family: 'job', instance: job.instance, label: job.station, state, n });
};

/** Many deltas of one key become one row. */
const summed = (tallies: readonly Tally[]): Tally[] => {
  const sums = new Map<string, Tally>();
  for (const tally of tallies) {
    const key = JSON.stringify([tally.family, tally.instance, tally.label, tally.state]);
    sums.set(key, { ...tally, n: tally.n + (sums.get(key)?.n ?? 0) });
  }
  return [...sums.values()];
};

/**
 * Writes the rows that are to change, which are none from then on: whoever looks for work next finds them as they now are.
 * In lock order, and in one round trip: none needs another's answer.
 */
export const writeRows = async (db: Queryable, ledger: Ledger): Promise<void> => {
  const { changedJobs, changedLeases, results, settling } = ledger;
  const written = Promise.all([
    updateJobs(db, [...changedJobs]),
    updateLeases(db, [...changedLeases]),
    insertResults(db, results),
    settleDevices(db, settling),
  ]);
  // They have been asked, and what is put here meanwhile is for the next writing.
  changedJobs.clear();
  changedLeases.clear();
  results.length = 0;
  settling.length = 0;
  await written;
};

/** Writes all that is left, in lock order: jobs, leases, devices, and the lanes last. The last writing of a transaction. */
export const writeLedger = async (db: Queryable, ledger: Ledger): Promise<void> => {
  await Promise.all([
    writeRows(db, ledger),
    appendEvents(db, ledger.events),
    addTallies(db, summed(ledger.tallies)),
    oweCalls(db, ledger.calls),
  ]);
};

/** After the commit: who waits is woken, who counts is told. */
export const announce = (
  ledger: Ledger,
  farm: { readonly wake: (wakes: readonly Wake[]) => void; readonly witness: Witness; readonly tracer?: Tracer },
): void => {
  farm.witness.committed(ledger.events);
  for (const tell of ledger.tell) tell(farm.witness);
  for (const span of ledger.spans) farm.tracer?.ended(span);
  const wakes: readonly Wake[] = ledger.calls.length > 0 ? [...ledger.wakes, { kind: 'lanes' }] : ledger.wakes;
  if (wakes.length > 0) farm.wake(wakes);
};
