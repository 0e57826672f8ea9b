/**
 * The pure core, visited whole: from one enqueued job every event in every state that can be reached, breadth first, with
 * what must hold (ARCHITECTURE) asked at every step.
 */
import { writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasEnded } from '../../src/core/job.ts';
import { isOpen } from '../../src/core/lease.ts';
import type { CallToOwe } from '../../src/store/owed-calls.ts';
import {
  ATTEMPTS_MAX,
  enqueued,
  keyOf,
  REFUSALS_MAX,
  type Setting,
  type Step,
  step,
  verbs,
  type World,
} from './composed-core.ts';

/** Far beyond the longest way there is; reaching it would mean that the states never end. */
const DEPTH_MAX = 200;

/** What has been promised so far to the shopfloor, and must be kept: part of the state. */
type Promised = {
  /** A start was told, granted or taken for granted, and no closing call has followed it. */
  readonly open: boolean;
  /** Whether the lease at hand has had its start and its closing call. */
  readonly started: boolean;
  readonly closed: boolean;
  /** Leases that became ACTIVE. */
  readonly activeLeases: number;
};

type Visited = { readonly world: World; readonly promised: Promised; readonly path: readonly string[] };

const closes = (call: CallToOwe): boolean =>
  call.method === 'NotifyEnd' || (call.method === 'UpdateTestResult' && call.testId === call.station);

/** One for each time an attempt is closed: `always` sends two calls for it, the failure and the end. */
const closings = (calls: readonly CallToOwe[], { notifyEnd }: Setting): number => {
  const failed = calls.filter((call) => closes(call) && call.method !== 'NotifyEnd').length;
  const ends = calls.filter(({ method }) => method === 'NotifyEnd').length;
  if (notifyEnd === 'always') return ends;
  return failed + ends;
};

const isStart = (call: CallToOwe): boolean => call.method === 'NotifyStart' && !call.gate;

/** @throws an assertion that names the way here, if anything that must hold does not. */
const judge = (setting: Setting, from: Visited, taken: Step): Promised => {
  const way = [...from.path, taken.event].join(' → ');
  const must = (holds: boolean, what: string): void => {
    if (!holds) expect.fail(`${what}, after: ${way}`);
  };
  const { world: before, promised } = from;
  const { to: after, ledger, changed } = taken;
  if (!changed) {
    must(keyOf(after) === keyOf(before), 'an event that changes nothing changed something');
    must(ledger.calls.length === 0, 'an event that changes nothing owes calls');
    return promised;
  }
  const { job, lease } = after;

  // Invariant 1 and 7: an end is an end; a cancel and a completion are never both, and never neither.
  if (hasEnded(before.job.state)) {
    const of = ({ state, verdict, failure, attempts }: World['job']) => [state, verdict, failure, attempts];
    must(JSON.stringify(of(job)) === JSON.stringify(of(before.job)), 'a job that had ended changed');
  }
  if (before.lease !== null && !isOpen(before.lease.state) && taken.event !== 'granted') {
    must(lease?.state === before.lease.state, 'a closed lease changed');
  }
  must(
    (job.state === 'CANCELLED') === (hasEnded(job.state) && job.cancelReason !== null),
    'cancel and completion are mixed',
  );
  must((job.verdict !== null) === (job.state === 'FINISHED'), 'a verdict without a finish, or a finish without');
  must((job.failure !== null) === (job.state === 'FAILED'), 'a cause without a failure, or a failure without');
  if (job.verdict === 'PASSED') {
    must(
      after.standing.some(({ status }) => status === 'PASSED'),
      'PASSED without a result that passed',
    );
    must(
      after.standing.every(({ status }) => status !== 'FAILED'),
      'PASSED in spite of a failure',
    );
  }

  // Invariant 2: one open lease at most, and it is what the job's state says.
  if (taken.event === 'granted')
    must(before.lease === null || !isOpen(before.lease.state), 'a second lease was opened');
  const holds = lease !== null && isOpen(lease.state);
  must(
    holds === (job.state === 'LEASED' || job.state === 'CANCELLING'),
    `the job is ${job.state}, its lease ${lease?.state ?? 'none'}`,
  );
  must((lease?.state === 'CANCELLING') === (job.state === 'CANCELLING'), 'job and lease disagree on the cancel');

  // Attempts: leases that became ACTIVE, never fewer, and bounded.
  const became =
    lease?.startedAt !== null && lease !== null && (before.lease?.startedAt === null || taken.event === 'granted');
  const activeLeases = promised.activeLeases + (became && taken.event !== 'granted' ? 1 : 0);
  must(job.attempts >= before.job.attempts, 'attempts went down');
  must(
    job.attempts === activeLeases,
    `${String(job.attempts)} attempts, but ${String(activeLeases)} leases became ACTIVE`,
  );
  must(job.attempts <= ATTEMPTS_MAX + REFUSALS_MAX, 'attempts without end');

  // Invariant 10 and 18: each end is told once, and every count that is raised is one that was lowered.
  const ends = ledger.events.filter(({ kind }) =>
    ['JOB_FINISHED', 'JOB_FAILED', 'JOB_CANCELLED'].includes(kind),
  ).length;
  must(ends === (hasEnded(job.state) && !hasEnded(before.job.state) ? 1 : 0), 'an end that is not told once');
  const tally = new Map([[before.job.state, 1]]);
  for (const { state, n } of ledger.tallies)
    tally.set(state as typeof job.state, (tally.get(state as typeof job.state) ?? 0) + n);
  must(
    [...tally].every(([state, n]) => n === (state === job.state ? 1 : 0)),
    'the tallies do not add up',
  );

  // Invariant 8: an end that may leave the work running lets the DUT settle.
  if (
    before.lease?.state === 'ACTIVE' &&
    ['SESSION_ENDED', 'LOST_AFTER_PASSED', 'EXECUTION_TIMED_OUT', 'EXPIRED'].includes(taken.event)
  ) {
    must(ledger.settling.length === 1, 'an unclean end that lets the DUT go at once');
  }
  return judgeCalls(setting, from, taken, { activeLeases, must });
};

/** Invariants 4, 11 and 12, as far as the core decides them: what an attempt owes, in which order, and how often. */
const judgeCalls = (
  setting: Setting,
  { world: before, promised }: Visited,
  { event, to: after, ledger }: Step,
  { activeLeases, must }: { activeLeases: number; must: (holds: boolean, what: string) => void },
): Promised => {
  const { calls } = ledger;
  let { open } = promised;
  let { started, closed } = event === 'granted' ? { started: false, closed: false } : promised;
  const yes = event === 'gate answered' || event === 'gate overridden';
  // A start that the shopfloor granted, or that an operator took for granted, wants an end.
  if (yes && after.job.gateClearedUntil !== null && before.job.gateClearedUntil === null) {
    must(!open, 'the shopfloor was asked to start a unit that it had not let go of');
    [open, started, closed] = [true, false, false];
  }
  if (event === 'gate answered' && hasEnded(after.job.state) && calls.length > 0) [open, closed] = [true, false];
  for (const call of calls) {
    if (isStart(call)) {
      must(!open && !started, 'a second start without an end between');
      must(after.lease?.gated === false, 'a gated attempt told its start twice');
      [open, started] = [true, true];
    } else if (!call.gate && !closes(call)) {
      must(open && !closed, 'a result outside of an attempt');
    }
  }
  const ended = closings(calls, setting);
  must(ended <= 1, 'one attempt closed twice');
  if (ended === 1) {
    must(open, 'a closing call without a start');
    must(
      calls.findLastIndex((call) => !closes(call)) < calls.findIndex(closes),
      'something came after the closing call',
    );
    must(!closed, 'an attempt closed a second time');
    open = false;
    closed = after.lease !== null && !isOpen(after.lease.state);
  }
  const leaseEnded = before.lease !== null && isOpen(before.lease.state) && !isOpen(after.lease!.state);
  if (leaseEnded) {
    const owes = after.lease!.startedAt !== null || after.lease!.gated;
    must(ended === (owes ? 1 : 0), owes ? 'an attempt that had begun was not closed' : 'a closing call for nothing');
  }
  if (hasEnded(after.job.state) && after.questions.every(({ isLatest }) => !isLatest)) {
    must(!open, 'the job is over, and the shopfloor still waits for an end');
  }
  return { open, started, closed, activeLeases };
};

const explore = (setting: Setting) => {
  const none = { open: false, started: false, closed: false, activeLeases: 0 };
  const start: Visited = { world: enqueued(setting), promised: none, path: [] };
  const keyOfVisited = ({ world, promised }: Visited): string => keyOf(world) + JSON.stringify(promised);
  const seen = new Set([keyOfVisited(start)]);
  const taken = new Set<string>();
  let frontier: readonly Visited[] = [start];
  let depth = 0;
  let transitions = 0;
  while (frontier.length > 0 && depth < DEPTH_MAX) {
    const next: Visited[] = [];
    for (const visited of frontier) {
      for (const event of verbs.keys()) {
        const made = step(setting, visited.world, event);
        transitions += 1;
        const promised = judge(setting, visited, made);
        if (made.changed) taken.add(event);
        const reached: Visited = { world: made.to, promised, path: [...visited.path, event] };
        const key = keyOfVisited(reached);
        if (seen.has(key)) continue;
        seen.add(key);
        next.push(reached);
      }
    }
    frontier = next;
    depth += frontier.length > 0 ? 1 : 0;
  }
  return { depth, states: seen.size, transitions, taken, isWhole: frontier.length === 0 };
};

describe('one job, whatever happens to it', () => {
  it.each<Setting>([
    { mode: 'notify', notifyEnd: 'passed' },
    { mode: 'notify', notifyEnd: 'always' },
    { mode: 'gate', notifyEnd: 'passed' },
    { mode: 'gate', notifyEnd: 'always' },
  ])(
    'at a station with mode $mode and notifyEnd $notifyEnd keeps what must hold, in every state it can reach',
    (setting) => {
      const { depth, states, transitions, taken, isWhole } = explore(setting);
      writeSync(
        2,
        `pure core, ${setting.mode}, notifyEnd ${setting.notifyEnd}: ${String(states)} states, ` +
          `${String(transitions)} transitions, whole at depth ${String(depth)}\n`,
      );
      expect(isWhole).toBe(true);
      // What never changed anything was never tried where it matters.
      const idle = [...verbs.keys()].filter((event) => !taken.has(event));
      const atGates = [...verbs.keys()].filter((event) => event.startsWith('gate'));
      const never = ['ABSENT', 'SHOWN_PENDING', 'SHOWN_UNKNOWN'];
      expect(
        idle
          .filter((event) => setting.mode === 'gate' || !atGates.includes(event))
          .filter((event) => !never.includes(event)),
      ).toEqual([]);
    },
  );
});
