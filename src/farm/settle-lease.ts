/**
 * One step of one lease, with everything that follows from it: the job, its results and verdict, its route, the calls
 * owed to the shopfloor, the DUT, the events. In memory; the caller's ledger writes it in one commit (invariant 10).
 */
import { type FarmEvent, farmEvent, type FarmEventKind } from '../core/farm-event.ts';
import { type FailureCause, hasEnded, jobEventOf } from '../core/job.ts';
import { type LeaseEvent, type LeaseMove, leaseTable } from '../core/lease.ts';
import { hasShopfloor, type Line, ruleOf, type StationRule } from '../core/line.ts';
import type { Completion } from '../core/session-report.ts';
import { type OwedCall, callsOfEnd, callsOfStart } from '../core/shopfloor-call.ts';
import type { TestResult } from '../core/test-result.ts';
import { judge, type Verdict } from '../core/verdict.ts';
import type { JobRow } from '../store/jobs.ts';
import type { LeaseRow } from '../store/leases.ts';
import { advanceRoute, AWAITS_GATE } from './advance-route.ts';
import type { FarmSeams } from './farm.ts';
import { type Kept, keepResults, type ResultsOf } from './keep-results.ts';
import { jobOf, type Ledger, moveJob, recordOf } from './ledger.ts';
import { keptTraceId, leaseSpans, traceparentOfCall } from './trace-job.ts';

export type LeaseStep = {
  readonly event: LeaseEvent;
  /** In words, for the record and, at a bad end, for the shopfloor. */
  readonly why: string;
  readonly completion: Completion | null;
  /** Whoever has the lease tells the shopfloor of this step itself: the step owes no call. */
  readonly isTold?: true;
};

/** What the steps need of the farm. */
export type SettleSeams = Pick<FarmSeams, 'lineOf' | 'newId' | 'limits'>;

/** Takes the step. False: heard before, or the lease has ended; nothing changed. */
export const settleLease = (seams: SettleSeams, ledger: Ledger, lease: LeaseRow, step: LeaseStep): boolean => {
  const cell = leaseTable[lease.state][step.event];
  if (cell === 'repeat' || cell === 'moot') return false;
  const attempt = attemptOf(seams, ledger, lease, step.isTold !== true);
  const { job } = attempt;
  // Who has results has run, also one that then declines: the shopfloor hears no result outside of an attempt.
  const tells = !cell.stale && (step.completion?.results.length ?? 0) > 0;
  const ran =
    tells ||
    cell.means === 'FINISHED' ||
    cell.means === 'FAILED' ||
    (cell.means === 'RETRY' && cell.to === 'COMPLETED');
  if (cell.means === 'STARTED' || (ran && lease.startedAt === null)) start(ledger, attempt);
  lease.state = cell.to;
  ledger.changedLeases.add(lease);
  if (cell.means === 'CANCEL_ASKED') return askToCancel(ledger, attempt);
  if (cell.means === 'STARTED') return true;
  close(seams, ledger, attempt, cell, step);
  if (hasEnded(job.state)) advanceRoute(seams, ledger, job);
  return true;
};

/** A lease with what surrounds it. */
type Attempt = {
  readonly lease: LeaseRow;
  readonly job: JobRow;
  readonly rule: StationRule;
  /** Appends calls to the DUT's lane; does nothing for work that owes none. */
  readonly owe: (calls: readonly OwedCall[]) => void;
};

const attemptOf = (seams: SettleSeams, ledger: Ledger, lease: LeaseRow, tells = true): Attempt => {
  const job = jobOf(ledger, lease);
  // An instance that was taken out of the configuration still settles what it had begun; it only owes no calls.
  const line: Line | null = seams.lineOf(lease.instance);
  const rule = line === null ? null : (ruleOf(line, lease.station) ?? line.anyStation);
  const { deviceId } = lease;
  const owes = tells && hasShopfloor(line) && deviceId !== null && lease.station !== '';
  return {
    lease,
    job,
    rule: rule ?? bareRule(lease),
    owe: (calls) => {
      if (!owes) return;
      for (const call of calls) {
        const { jobId, attempt, instance } = lease;
        const of = { instance, deviceId, jobId, leaseId: lease.id, attempt };
        ledger.calls.push({ ...call, id: seams.newId(), ...of, traceparent: traceparentOfCall(job, lease.id) });
      }
    },
  };
};

const resultsOf = ({ lease, owe, rule: { waivable } }: Attempt): ResultsOf => ({ lease, owe, waivable });

const bareRule = (lease: LeaseRow): StationRule => ({
  station: lease.station,
  mode: 'notify',
  lostAfterMs: lease.lostAfterMs,
  attemptsMax: 1,
  waivable: new Set(),
  notifyEnd: 'passed',
  taktMs: null,
  tests: [],
});

const start = (ledger: Ledger, { lease, job, owe }: Attempt): void => {
  lease.startedAt = ledger.now;
  lease.echoedAt ??= ledger.now;
  if (job.executionTimeoutMs !== null) {
    lease.executionDeadline = new Date(ledger.now.getTime() + job.executionTimeoutMs);
  }
  job.attempts = lease.attempt;
  job.resultType = null;
  job.result = null;
  job.startedAt = ledger.now;
  job.gateClearedUntil = null;
  moveJob(ledger, job, 'STARTED');
  ledger.changedJobs.add(job);
  ledger.wakes.push({ kind: 'job', id: job.id });
  owe(callsOfStart(lease.station, lease.gated));
  ledger.events.push(about('LEASE_STARTED', lease, { station: lease.station, attempt: lease.attempt }));
  const acceptMs = ledger.now.getTime() - lease.grantedAt.getTime();
  ledger.tell.push((witness) => {
    witness.started({ instance: lease.instance, station: lease.station, acceptMs, traceId: keptTraceId(job) });
  });
};

const askToCancel = (ledger: Ledger, { lease, job }: Attempt): true => {
  lease.cancelAskedAt = ledger.now;
  moveJob(ledger, job, 'CANCEL_ASKED');
  ledger.events.push(about('CANCEL_ASKED', lease, { reason: job.cancelReason ?? '' }));
  wakeHolder(ledger, lease);
  return true;
};

const wakeHolder = (ledger: Ledger, { sessionName }: LeaseRow): void => {
  if (sessionName !== null) ledger.wakes.push({ kind: 'session', name: sessionName });
};

/** The lease ends: results, verdict, calls, the job's own move, and who must know. */
const close = (seams: SettleSeams, ledger: Ledger, attempt: Attempt, cell: LeaseMove, step: LeaseStep): void => {
  const { lease, job, owe, rule } = attempt;
  lease.closedAt = ledger.now;
  lease.closedReason = step.why;
  const completion = step.completion;
  const kept =
    completion === null ? null : keepResults(seams.limits, ledger, resultsOf(attempt), completion.results, cell.stale);
  if (cell.means === 'REFUSED') refuse(job, lease);
  if (isExcused(ledger, attempt, cell)) job.attemptsMax += 1;
  const judged = cell.means === 'FINISHED' ? judgeAttempt(ledger, attempt, completion) : null;
  const counts = { ...job, refusalsMax: seams.limits.jobs.refusalsMax };
  const { event, cause } = jobEventOf(cell.means, counts, cell.to === 'LOST');
  const why = judged === null ? step.why : judged.why;
  // NotifyStart was sent, or is owed: the shopfloor waits for an end.
  if (lease.startedAt !== null || lease.gated) owe(callsOfEnd(rule, lease.station, judged?.verdict ?? null, why));
  ledger.events.push(
    about(closedAs[cell.to], lease, {
      state: cell.to,
      why: step.why,
      attempt: lease.attempt,
      cause: step.event,
      ...(kept === null || kept.left === 0 ? {} : { resultsLeftOut: kept.left }),
    }),
  );
  ledger.spans.push(...leaseSpans(job, lease, { at: ledger.now, verdict: judged?.verdict ?? null }));
  if (cell.unclean && lease.deviceId !== null) {
    ledger.settling.push({ id: lease.deviceId, forMs: seams.limits.jobs.dutGraceMs, reason: step.why });
  }
  if (lease.deviceId !== null) ledger.wakes.push({ kind: 'device', id: lease.deviceId });
  wakeHolder(ledger, lease);
  if (!moveJob(ledger, job, event)) return;
  const result = completion?.result ?? null;
  // Also of a lease that was being cancelled: its submitter may want to know what came of it (R-RES-3).
  if (result !== null) {
    job.resultType = result.typeUrl;
    job.result = Buffer.from(result.value).toString('base64');
  }
  if (job.state === 'QUEUED') requeue(ledger, attempt, why);
  else {
    job.leaseCode = job.state === 'FAILED' ? (completion?.code ?? null) : null;
    endJob(ledger, job, { verdict: judged?.verdict ?? null, cause, why });
  }
};

/**
 * An outage of our own costs no attempt (invariant 14): its bot, which could not be answered, had to stop the work. The attempt
 * keeps its number and the calls that it owes; the job has one more. Once an outage: the next attempt starts after it.
 */
const isExcused = ({ outageEnd }: Ledger, { lease }: Attempt, cell: LeaseMove): boolean =>
  cell.to === 'LOST' && outageEnd !== null && lease.startedAt !== null && lease.startedAt < outageEnd;

const closedAs = {
  COMPLETED: 'LEASE_COMPLETED',
  CANCELLED: 'LEASE_CANCELLED',
  REFUSED: 'LEASE_REFUSED',
  WITHDRAWN: 'LEASE_WITHDRAWN',
  LOST: 'LEASE_LOST',
  PENDING: 'LEASE_GRANTED',
  ACTIVE: 'LEASE_STARTED',
  CANCELLING: 'CANCEL_ASKED',
} as const;

/** For results reported while the lease runs. */
export const reportResults = (
  seams: SettleSeams,
  ledger: Ledger,
  lease: LeaseRow,
  results: readonly TestResult[],
): Kept => {
  const attempt = attemptOf(seams, ledger, lease);
  if (lease.startedAt === null && lease.state === 'PENDING') settleLease(seams, ledger, lease, startedEarly);
  const counts = keepResults(seams.limits, ledger, resultsOf(attempt), results, lease.state === 'CANCELLING');
  noteResults(ledger, lease, counts);
  return counts;
};

export const noteResults = (ledger: Ledger, lease: LeaseRow, { stored, left }: Kept): void => {
  if (stored + left === 0) return;
  ledger.events.push(about('RESULTS_REPORTED', lease, left === 0 ? { stored } : { stored, resultsLeftOut: left }));
  ledger.wakes.push({ kind: 'job', id: lease.jobId });
};

/** Of work whose holder tells the shopfloor of its results itself. */
export const keepUntold = (seams: SettleSeams, ledger: Ledger, lease: LeaseRow, results: readonly TestResult[]): Kept =>
  keepResults(seams.limits, ledger, resultsOf(attemptOf(seams, ledger, lease, false)), results, false);

/** Results can overtake the update that says ACTIVE; a bot that has results has started. */
const startedEarly: LeaseStep = { event: 'SHOWN_ACTIVE', why: 'reported results', completion: null };

/** A queued job that the shopfloor has cleared ends without having run: what was started there is closed. */
export const closeGate = (seams: SettleSeams, ledger: Ledger, job: JobRow, why: string): void => {
  const { deviceId, instance, station } = job;
  const line = seams.lineOf(instance);
  if (job.gateClearedUntil === null || deviceId === null || !hasShopfloor(line)) return;
  job.gateClearedUntil = null;
  for (const call of callsOfEnd(ruleOf(line, station) ?? line.anyStation, station, null, why)) {
    const owed = { id: seams.newId(), instance, deviceId, jobId: job.id, leaseId: null, attempt: job.attempts + 1 };
    ledger.calls.push({ ...call, ...owed, traceparent: traceparentOfCall(job, null) });
  }
};

const judgeAttempt = (
  ledger: Ledger,
  { lease, job, rule }: Attempt,
  completion: Completion | null,
): { verdict: Verdict | null; why: string } => {
  // Foreign work is no station's: it finishes without a verdict.
  if (lease.station === '') return { verdict: null, why: '' };
  // What it said there may have been a failure.
  const unread = completion?.unread ?? null;
  if (unread !== null) return { verdict: 'FAILED', why: `the results of its end cannot be read: ${unread}` };
  const statuses = new Map([...recordOf(ledger, lease.id).standing].map(([testId, { status }]) => [testId, status]));
  return judge(job.testIds, statuses, rule.waivable);
};

const refuse = (job: JobRow, lease: LeaseRow): void => {
  job.refusals += 1;
  if (!job.avoidedBots.includes(lease.botId)) job.avoidedBots = [...job.avoidedBots, lease.botId];
};

const requeue = (ledger: Ledger, { lease, job }: Attempt, why: string): void => {
  job.queuedAt = ledger.now;
  if (lease.gated) {
    // Each new attempt clears again.
    job.heldBy = 'GATE_TURN';
    job.heldReason = AWAITS_GATE;
    job.gateClearedUntil = null;
  }
  ledger.events.push(about('JOB_REQUEUED', lease, { why }));
  if (job.deviceId !== null) ledger.wakes.push({ kind: 'device', id: job.deviceId });
  else if (job.requestedBotId !== null) {
    ledger.wakes.push({ kind: 'bot', instance: job.instance, botId: job.requestedBotId });
  } else ledger.wakes.push({ kind: 'requirement', id: job.requirementId, jobs: 1 });
};

/** The job ends, by its lease or without one. */
export const endJob = (
  ledger: Ledger,
  job: JobRow,
  end: { readonly verdict: Verdict | null; readonly cause: FailureCause | null; readonly why: string },
): void => {
  job.endedAt = ledger.now;
  job.heldBy = null;
  job.heldReason = null;
  job.verdict = job.state === 'FINISHED' ? end.verdict : null;
  job.failure = job.state === 'FAILED' ? (end.cause ?? 'ERROR') : null;
  job.reason = job.state === 'CANCELLED' ? (job.cancelReason ?? end.why) : end.why;
  ledger.changedJobs.add(job);
  const kind = job.state === 'FINISHED' ? 'JOB_FINISHED' : job.state === 'FAILED' ? 'JOB_FAILED' : 'JOB_CANCELLED';
  const { instance, station, state, verdict, attempts } = job;
  const facts = { state, verdict, failure: job.failure, attempts, reason: job.reason };
  ledger.events.push(farmEvent(kind, instance, { jobId: job.id, botId: job.botId, deviceId: job.deviceId, facts }));
  const runMs = job.startedAt === null ? null : ledger.now.getTime() - job.startedAt.getTime();
  ledger.tell.push((witness) => {
    witness.ended({ instance, station, state, verdict, attempts, runMs, traceId: keptTraceId(job) });
  });
};

const about = (kind: FarmEventKind, lease: LeaseRow, facts: FarmEvent['facts']): FarmEvent => {
  const { instance, jobId, botId, deviceId } = lease;
  return farmEvent(kind, instance, { jobId, leaseId: lease.id, botId, deviceId, facts });
};
