/** What has happened, counted in place: each thing told changes its series then and there, and nothing is looked up. */
import type { FarmEvent } from '../core/farm-event.ts';
import { leaseTable } from '../core/lease.ts';
import type { Witness } from '../farm/farm.ts';
import type { WakeCause } from '../farm/sessions.ts';
import type { Instruments } from './instruments.ts';
import { type LabelBounds, oneOf } from './label-bounds.ts';

export const createWitness = (m: Instruments, bounds: LabelBounds): Witness => ({
  committed: (events) => {
    const closedAs = new Map<string | null, string>();
    for (const event of events) count(m, bounds, event, closedAs);
  },
  fenced: (what) => {
    m.stationgrid_fenced_writes_total.inc({ what });
  },
  granted: ({ queuedMs, matchMs, traceId, ...about }) => {
    const work = bounds.work(about);
    m.stationgrid_leases_granted_total.inc(work);
    m.stationgrid_queue_wait_seconds.observe(observation(work, queuedMs, traceId));
    if (matchMs !== null) m.stationgrid_match_wait_seconds.observe(work, seconds(matchMs));
  },
  started: ({ acceptMs, traceId, ...about }) => {
    m.stationgrid_assignment_latency_seconds.observe(observation(bounds.work(about), acceptMs, traceId));
  },
  ended: ({ state, verdict, attempts, runMs, traceId, ...about }) => {
    const work = bounds.work(about);
    m.stationgrid_jobs_ended_total.inc({ ...work, state, verdict: verdict ?? '' });
    const firstPass = verdict === 'PASSED' && attempts === 1;
    // At 0 from the first end on, so that the yield of a station that never passes is 0 and not unknown.
    m.stationgrid_first_pass_total.inc(work, firstPass ? 1 : 0);
    if (state === 'FINISHED' && runMs !== null)
      m.stationgrid_station_cycle_seconds.observe(observation(work, runMs, traceId));
  },
  flushed: ({ rows, ms }) => {
    m.stationgrid_flush_rows.observe(rows);
    m.stationgrid_flush_seconds.observe(seconds(ms));
  },
  pollParked: (instance) => {
    m.stationgrid_polls_parked.inc({ instance: bounds.instance(instance) });
  },
  pollEnded: ({ instance: name, cause, heldMs }) => {
    const instance = bounds.instance(name);
    m.stationgrid_polls_parked.dec({ instance });
    m.stationgrid_poll_hold_seconds.observe({ instance, cause: oneOf(pollCauses, cause) }, seconds(heldMs));
  },
  called: ({ instance: name, method, outcome, ms, traceId }) => {
    const instance = bounds.instance(name);
    m.stationgrid_shopfloor_calls_total.inc({ instance, method, outcome });
    m.stationgrid_shopfloor_call_seconds.observe(observation({ instance, method }, ms, traceId));
  },
  delivered: ({ instance, owedMs }) => {
    m.stationgrid_delivery_seconds.observe({ instance: bounds.instance(instance) }, seconds(owedMs));
  },
  missedNotify: () => {
    m.stationgrid_missed_wakes_total.inc();
  },
});

type Observation<L> = { labels: L; value: number; exemplarLabels: Record<string, string> };

/** As histograms with exemplars take it; without a trace there is none. */
const observation = <L>(labels: L, ms: number, traceId: string | null | undefined): Observation<L> => ({
  labels,
  value: seconds(ms),
  exemplarLabels: traceId === null || traceId === undefined ? {} : { trace_id: traceId },
});

/** A database's clock that is set back must not make a negative observation, which would make a sum fall. */
const seconds = (ms: number): number => Math.max(0, ms) / 1000;

const pollCauseSet: Readonly<Record<WakeCause, true>> = {
  work: true,
  changed: true,
  'newer call': true,
  replaced: true,
  shutdown: true,
  time: true,
  'client gone': true,
};
const pollCauses = Object.keys(pollCauseSet);
const leaseEvents = Object.keys(leaseTable.PENDING);
export const failures = ['LOST', 'ERROR', 'REFUSED', 'QUEUE_TIMEOUT', 'MATCH_TIMEOUT', 'EXECUTION_TIMEOUT', 'EXPIRED'];
const botEventTypes = ['UNSPECIFIED', 'INFO', 'ERROR'];
/** Reasons of closed sessions are words for people; what they mean for a graph. */
const closeReasons: Readonly<Record<string, string>> = {
  replaced: 'replaced',
  expired: 'expired',
  'the bot has terminated': 'terminated',
};
/** How a lease ended whose job then went back to the queue. */
const retryCauses = ['LEASE_LOST', 'LEASE_COMPLETED', 'LEASE_REFUSED', 'LEASE_WITHDRAWN', 'LEASE_CANCELLED'];
/** Ends of leases and failures of jobs that are the clock's doing. */
export const leaseExpiries = ['ACCEPT_TIMED_OUT', 'LOST_AFTER_PASSED', 'CANCEL_GRACE_PASSED', 'EXECUTION_TIMED_OUT'];
export const jobExpiries = ['QUEUE_TIMEOUT', 'MATCH_TIMEOUT', 'EXPIRED'];

/** @param closedAs leases closed in this commit, by id: what the requeued job of each tells as its cause. */
const count = (m: Instruments, bounds: LabelBounds, event: FarmEvent, closedAs: Map<string | null, string>): void => {
  const { kind, leaseId, facts } = event;
  const instance = bounds.instance(event.instance);
  switch (kind) {
    case 'JOB_ENQUEUED':
      m.stationgrid_jobs_enqueued_total.inc({ instance });
      return;
    case 'JOB_REQUEUED':
      m.stationgrid_job_retries_total.inc({ instance, cause: oneOf(retryCauses, closedAs.get(leaseId)) });
      return;
    case 'JOB_FAILED': {
      const cause = oneOf(failures, facts['failure']);
      m.stationgrid_jobs_failed_total.inc({ instance, cause });
      if (jobExpiries.includes(cause)) m.stationgrid_expiries_total.inc({ instance, cause });
      return;
    }
    case 'LEASE_COMPLETED':
    case 'LEASE_CANCELLED':
    case 'LEASE_REFUSED':
    case 'LEASE_WITHDRAWN':
    case 'LEASE_LOST': {
      const cause = oneOf(leaseEvents, facts['cause']);
      closedAs.set(leaseId, kind);
      m.stationgrid_leases_closed_total.inc({ instance, state: kind.slice('LEASE_'.length), cause });
      if (leaseExpiries.includes(cause)) m.stationgrid_expiries_total.inc({ instance, cause });
      return;
    }
    case 'GATE_LAPSED':
      m.stationgrid_expiries_total.inc({ instance, cause: 'GATE_LAPSED' });
      return;
    default:
      countOfBots(m, instance, event);
      countOfCalls(m, instance, event);
  }
};

const countOfBots = (m: Instruments, instance: string, { kind, facts }: FarmEvent): void => {
  switch (kind) {
    case 'SESSION_CREATED':
      m.stationgrid_sessions_created_total.inc({ instance, reason: facts['replaced'] === true ? 'replacing' : 'new' });
      return;
    case 'SESSION_LAPSED':
      m.stationgrid_expiries_total.inc({ instance, cause: 'SESSION_LAPSED' });
      return;
    case 'SESSION_CLOSED':
      m.stationgrid_sessions_closed_total.inc({ instance, reason: closeReasons[String(facts['reason'])] ?? 'other' });
      return;
    case 'BOT_EVENT':
      m.stationgrid_bot_events_total.inc({ instance, type: oneOf(botEventTypes, facts['type']) });
      return;
    case 'BOT_QUARANTINED':
      m.stationgrid_quarantines_total.inc({ instance });
      return;
    default:
  }
};

const countOfCalls = (m: Instruments, instance: string, { kind }: FarmEvent): void => {
  switch (kind) {
    case 'CALL_DELIVERED':
    case 'CALL_DEAD':
    case 'CALL_SKIPPED':
      m.stationgrid_shopfloor_calls_settled_total.inc({ instance, state: kind.slice('CALL_'.length) });
      return;
    default:
  }
};
