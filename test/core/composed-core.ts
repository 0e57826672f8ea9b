/**
 * A job with its lease, its gate and its lane, moved by the farm's own pure steps: what the verbs do between the reading
 * of their rows and the writing of their ledger. A state is small and equal states have equal text, so that all of them
 * can be visited.
 */
import { hasEnded, type JobEvent } from '../../src/core/job.ts';
import { isOpen, type LeaseEvent, leaseTable } from '../../src/core/lease.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import type { Line } from '../../src/core/line.ts';
import type { Completion } from '../../src/core/session-report.ts';
import { callOfGate } from '../../src/core/shopfloor-call.ts';
import type { TestResult } from '../../src/core/test-result.ts';
import type { TestStatus } from '../../src/core/verdict.ts';
import { type Ledger, moveJob, openLedger, recordOf } from '../../src/farm/ledger.ts';
import { moveGate, oweClosing } from '../../src/farm/move-gate.ts';
import { closeGate, endJob, reportResults, settleLease, type SettleSeams } from '../../src/farm/settle-lease.ts';
import type { JobRow } from '../../src/store/jobs.ts';
import type { LeaseRow } from '../../src/store/leases.ts';
import type { StoredResult } from '../../src/store/test-results.ts';
import { testLine, testRule } from '../support/farm.ts';

const STATION = 'FAT';
const TEST = 'FAT.volts';
const DUT = 7;
const NOW = new Date('2024-01-01T00:00:00Z');

export type World = {
  readonly job: JobRow;
  /** The open one, or the last that was. */
  readonly lease: LeaseRow | null;
  readonly standing: readonly StoredResult[];
  /** Gate questions in the lane that the shopfloor has not answered; the last may be the job's latest call. */
  readonly questions: readonly { readonly isLatest: boolean }[];
};

/** What one event did: the ledger that a verb would write. */
export type Step = { readonly event: string; readonly to: World; readonly ledger: Ledger; readonly changed: boolean };

export type Setting = { readonly mode: 'notify' | 'gate'; readonly notifyEnd: 'passed' | 'always' };

export const ATTEMPTS_MAX = 2;
export const REFUSALS_MAX = 2;
/** Questions of one job in its lane at once: an override and a lapse leave one behind. */
const QUESTIONS_MAX = 2;

const limits = { ...defaultLimits, jobs: { ...defaultLimits.jobs, refusalsMax: REFUSALS_MAX } };

const seamsOf = ({ mode, notifyEnd }: Setting): SettleSeams => {
  const rule = testRule({ station: STATION, mode, notifyEnd, attemptsMax: ATTEMPTS_MAX });
  const line: Line = testLine({ shopfloorUrl: 'http://127.0.0.1:9/', stations: new Map([[STATION, rule]]) });
  return { lineOf: () => line, newId: () => 'a-call', limits };
};

export const enqueued = ({ mode }: Setting): World => ({
  job: {
    id: 1,
    instance: 'line-1',
    station: STATION,
    testIds: [TEST],
    requirementId: 1,
    deviceId: DUT,
    requestedBotId: null,
    priority: 0,
    route: null,
    onFailed: 'stop',
    attemptsMax: ATTEMPTS_MAX,
    executionTimeoutMs: 60_000,
    traceparent: null,
    state: 'QUEUED',
    heldBy: mode === 'gate' ? 'GATE_TURN' : null,
    heldReason: mode === 'gate' ? 'waits for its turn' : null,
    attempts: 0,
    refusals: 0,
    avoidedBots: [],
    gateClearedUntil: null,
    botId: null,
    cancelReason: null,
    verdict: null,
    failure: null,
    leaseCode: null,
    reason: null,
    resultType: null,
    result: null,
    queuedAt: NOW,
    startedAt: null,
    endedAt: null,
  },
  lease: null,
  standing: [],
  questions: [],
});

const resultOf = (status: TestStatus): TestResult => ({
  testId: TEST,
  status,
  errorMessage: '',
  measurements: [],
  attachments: [],
  startedAt: null,
  durationMs: null,
  logsTail: '',
});

const completionOf = (code: number, statuses: readonly TestStatus[]): Completion => ({
  code,
  message: 'said',
  results: statuses.map(resultOf),
  unread: null,
  result: null,
});

/** A cancel is asked of the job, by its own verb below. */
const leaseEvents = (Object.keys(leaseTable.PENDING) as LeaseEvent[]).filter((event) => event !== 'CANCEL_ASKED');
const codeOf: Partial<Record<LeaseEvent, number>> = {
  COMPLETED_OK: 0,
  COMPLETED_REFUSING: 9,
  COMPLETED_RETRYABLE: 13,
  COMPLETED_FAILING: 2,
};

type Verb = (
  world: World,
  ledger: Ledger,
  seams: SettleSeams,
) => { readonly changed: boolean; readonly to?: Partial<World> };

const onLease =
  (event: LeaseEvent, completion: Completion | null): Verb =>
  (world, ledger, seams) => ({
    changed: world.lease !== null && settleLease(seams, ledger, world.lease, { event, why: event, completion }),
  });

/** `grantLeases`, for the one job there is. */
const grant: Verb = (world, ledger) => {
  const { job } = world;
  if (job.state !== 'QUEUED' || job.heldBy !== null) return { changed: false };
  const lease: LeaseRow = {
    id: 'a-lease',
    jobId: job.id,
    instance: job.instance,
    deviceId: DUT,
    station: STATION,
    attempt: job.attempts + 1,
    gated: job.gateClearedUntil !== null,
    lostAfterMs: 90_000,
    grantedAt: NOW,
    botId: `bot-${String(job.refusals)}`,
    sessionName: 'line-1/a-session',
    state: 'PENDING',
    echoedAt: null,
    absentAt: null,
    startedAt: null,
    cancelAskedAt: null,
    executionDeadline: null,
    closedAt: null,
    closedReason: null,
    resultsSince: null,
  };
  moveJob(ledger, job, 'GRANTED');
  return { changed: true, to: { lease, standing: [] } };
};

/** `reportTestResults`: only for a lease that is open. */
const report =
  (status: TestStatus): Verb =>
  (world, ledger, seams) => {
    if (world.lease === null || !isOpen(world.lease.state)) return { changed: false };
    const before = world.lease.state;
    const counts = reportResults(seams, ledger, world.lease, [resultOf(status)]);
    return { changed: counts.stored > 0 || world.lease.state !== before };
  };

/** The end of a job that no bot has: `cancelJob` and `sweepJobs`. */
const endQueued = (ledger: Ledger, seams: SettleSeams, job: JobRow, event: JobEvent, why: string): void => {
  closeGate(seams, ledger, job, why);
  moveJob(ledger, job, event);
  endJob(ledger, job, { verdict: null, cause: event === 'TIMED_OUT' ? 'QUEUE_TIMEOUT' : null, why });
};

const cancel: Verb = ({ job, lease }, ledger, seams) => {
  if (hasEnded(job.state) || job.state === 'CANCELLING') return { changed: false };
  job.cancelReason = 'cancelled on request';
  if (lease !== null && isOpen(lease.state)) {
    settleLease(seams, ledger, lease, { event: 'CANCEL_ASKED', why: job.cancelReason, completion: null });
  } else endQueued(ledger, seams, job, 'CANCEL_ASKED', job.cancelReason);
  return { changed: true };
};

const timeOutInQueue: Verb = ({ job }, ledger, seams) => {
  if (job.state !== 'QUEUED') return { changed: false };
  endQueued(ledger, seams, job, 'TIMED_OUT', 'it was queued longer than its queue timeout');
  return { changed: true };
};

/** `openGates`: the turn is the DUT's; here the DUT is free whenever the job is queued. */
const ask: Verb = ({ job, questions }, ledger, seams) => {
  if (questions.length === QUESTIONS_MAX) return { changed: false };
  if (!moveGate(seams, ledger, job, { event: 'ASKED', words: 'asked' })) return { changed: false };
  const place = { instance: job.instance, deviceId: DUT, jobId: job.id, leaseId: null, attempt: job.attempts + 1 };
  ledger.calls.push({ ...callOfGate(STATION), ...place, id: seams.newId() });
  return { changed: true, to: { questions: [...questions, { isLatest: true }] } };
};

/** `answerGates`, or `skipCall` where an operator takes the question out. */
const answer =
  (said: 'ANSWERED' | 'FAULTED' | 'UNASKED'): Verb =>
  ({ job, questions }, ledger, seams) => {
    const [question, ...rest] = questions;
    if (question === undefined) return { changed: false };
    if (question.isLatest) {
      const moved = moveGate(seams, ledger, job, { event: said, words: said });
      if (said === 'ANSWERED' && !moved && hasEnded(job.state)) {
        const { instance, station, id: jobId, attempts } = job;
        oweClosing(
          seams,
          ledger,
          { instance, station, deviceId: DUT, jobId, attempt: attempts + 1 },
          'it ended before',
        );
      }
    }
    return { changed: true, to: { questions: rest } };
  };

const lapse: Verb = ({ job }, ledger, seams) => {
  if (!moveGate(seams, ledger, job, { event: 'LAPSED', words: 'waits for its turn' })) return { changed: false };
  const { instance, station, id: jobId, attempts } = job;
  oweClosing(seams, ledger, { instance, station, deviceId: DUT, jobId, attempt: attempts + 1 }, 'nobody started it');
  return { changed: true };
};

const operate =
  (event: 'RETRIED' | 'OVERRIDDEN'): Verb =>
  ({ job }, ledger, seams) => ({
    changed: moveGate(seams, ledger, job, { event, words: event }),
  });

/** Everything that can happen, by name. */
export const verbs: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['granted', grant],
  ...leaseEvents.flatMap((event): [string, Verb][] => {
    const code = codeOf[event];
    if (code === undefined) return [[event, onLease(event, null)]];
    const said: readonly (readonly TestStatus[])[] = [[], ['PASSED'], ['FAILED']];
    return said.map((statuses) => [
      `${event} with ${statuses[0] ?? 'no result'}`,
      onLease(event, completionOf(code, statuses)),
    ]);
  }),
  ['result PASSED reported', report('PASSED')],
  ['result FAILED reported', report('FAILED')],
  ['cancel', cancel],
  ['queue timeout', timeOutInQueue],
  ['gate asked', ask],
  ['gate answered', answer('ANSWERED')],
  ['gate refused', answer('FAULTED')],
  ['gate question skipped', answer('UNASKED')],
  ['gate lapsed', lapse],
  ['gate retried', operate('RETRIED')],
  ['gate overridden', operate('OVERRIDDEN')],
]);

/** One event in one state. The state that was given stays as it is. */
export const step = (setting: Setting, from: World, event: string): Step => {
  const verb = verbs.get(event);
  if (verb === undefined) throw new Error(`nothing is called ${event}`);
  const world = structuredClone(from);
  const { job, lease, standing } = world;
  const ledger = openLedger(NOW, { jobs: [job], leases: lease === null ? [] : [lease], results: standing });
  const { changed, to } = verb(world, ledger, seamsOf(setting));
  const results = lease === null ? [] : [...recordOf(ledger, lease.id).standing.values()];
  // Whatever was owed since comes after the question in the lane: it is no longer the job's latest call.
  const owedMore = ledger.calls.some((call) => !call.gate);
  const questions = (to?.questions ?? world.questions).map((question, index, all) => ({
    isLatest: question.isLatest && index === all.length - 1 && !owedMore,
  }));
  return { event, ledger, changed, to: { ...world, standing: results, ...to, questions } };
};

/** Equal states have equal text. Words and ids are left out, and so is what a closed lease can no longer do. */
export const keyOf = ({ job, lease, standing, questions }: World): string =>
  JSON.stringify([
    ...[job.state, job.heldBy, job.attempts, job.refusals, job.gateClearedUntil !== null, job.verdict, job.failure],
    ...[job.cancelReason !== null, job.startedAt !== null, job.leaseCode],
    lease === null ? null : [lease.state, lease.attempt, lease.gated, lease.startedAt !== null],
    standing.map(({ status }) => status),
    questions.map(({ isLatest }) => isLatest),
  ]);
