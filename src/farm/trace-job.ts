/** The spans of a job: its enqueueing, its wait, each lease with its run, each call to the shopfloor. */
import { type Span, spanIdOf, type Trace, toTrace, traceparentOf } from '../core/trace.ts';
import type { NewJob } from '../store/enqueue.ts';
import type { JobRow } from '../store/jobs.ts';
import type { LeaseRow } from '../store/leases.ts';
import type { HeadCall } from '../store/shopfloor-calls.ts';
import type { Farm } from './farm.ts';

/** A call with the number of its send. */
type SentCall = Omit<HeadCall, 'body'> & { readonly number: number };
type TracedJob = Pick<JobRow, 'traceparent'>;

const LEASE = 'lease';

/** From the call that brought it to the commit. */
export const enqueueSpan = (farm: Pick<Farm, 'clock'>, { trace: begun, ...job }: NewJob): readonly Span[] => {
  const trace = toTrace(begun?.traceparent ?? null);
  if (begun === null || trace === null) return [];
  const { parentSpanId, startedAt } = begun;
  const facts = { ...about({ ...job, jobId: job.id }), 'stationgrid.request_id': job.requestId };
  const span = { trace, parentSpanId, name: `enqueue ${job.station}`.trimEnd(), startedAt, endedAt: farm.clock.now() };
  return [{ ...span, kind: 'server', facts, failure: null }];
};

/** From the queue to a bot. Its commit is in; both times are the database's. */
export const waitSpan = (
  job: TracedJob & Pick<JobRow, 'queuedAt'>,
  lease: Pick<LeaseRow, 'id' | 'jobId' | 'instance' | 'station' | 'botId' | 'attempt'>,
  grantedAt: Date,
): readonly Span[] => {
  const parent = toTrace(job.traceparent);
  if (parent === null) return [];
  const span = { name: 'wait for a bot', startedAt: job.queuedAt, endedAt: grantedAt, facts: aboutLease(lease) };
  return [{ ...childOf(parent, spanIdOf(lease.id, 'wait')), ...span, kind: 'internal', failure: null }];
};

/** A lease that is closed now, and within it the time in which its bot was at work. */
export const leaseSpans = (
  job: TracedJob,
  lease: LeaseRow,
  end: { readonly at: Date; readonly verdict: string | null },
): readonly Span[] => {
  const parent = toTrace(job.traceparent);
  if (parent === null) return [];
  const { verdict } = end;
  const facts = {
    ...aboutLease(lease),
    'stationgrid.lease.state': lease.state,
    ...(verdict === null ? {} : { 'stationgrid.verdict': verdict }),
  };
  // A failing test is a result.
  const failure = lease.state === 'COMPLETED' ? null : (lease.closedReason ?? lease.state);
  const own = childOf(parent, spanIdOf(lease.id, LEASE));
  const shared = { kind: 'internal', endedAt: end.at, facts, failure } as const;
  const whole: Span = { ...own, ...shared, name: `lease ${lease.station}`.trimEnd(), startedAt: lease.grantedAt };
  if (lease.startedAt === null) return [whole];
  const run = childOf(own.trace, spanIdOf(lease.id, 'run'));
  return [whole, { ...run, ...shared, name: `run ${lease.station}`.trimEnd(), startedAt: lease.startedAt }];
};

/** To point people to the trace; null: there is none, or nobody keeps it. */
export const keptTraceId = ({ traceparent }: TracedJob): string | null => {
  const trace = toTrace(traceparent);
  return trace?.isSampled === true ? trace.traceId : null;
};

/** For a line of the log. */
export const traceField = (of: TracedJob): { readonly traceId?: string } => {
  const traceId = keptTraceId(of);
  return traceId === null ? {} : { traceId };
};

/** What a call is owed by: its lease, or where there is none its job. Null: not traced. */
export const traceparentOfCall = ({ traceparent }: TracedJob, leaseId: string | null): string | null => {
  const parent = toTrace(traceparent);
  if (parent === null || leaseId === null) return traceparent;
  return traceparentOf({ ...parent, spanId: spanIdOf(leaseId, LEASE) });
};

/** One send of a call, which the shopfloor is told the place of. Null: not traced, or not here. */
export const traceOfSend = (
  farm: Pick<Farm, 'tracer'>,
  { id, number, traceparent }: Pick<SentCall, 'id' | 'number' | 'traceparent'>,
): Trace | null => {
  const parent = farm.tracer === undefined ? null : toTrace(traceparent);
  return parent && { ...parent, spanId: spanIdOf(id, `send ${String(number)}`) };
};

/** @param failure null: the shopfloor answered. */
export const sendSpan = (
  call: SentCall,
  trace: Trace,
  sent: { readonly startedAt: Date; readonly endedAt: Date; readonly outcome: string; readonly failure: string | null },
): Span => {
  const { startedAt, endedAt, outcome, failure } = sent;
  const facts = {
    ...about(call),
    'rpc.method': call.method,
    'stationgrid.call': call.id,
    'stationgrid.send': call.number,
    'stationgrid.outcome': outcome,
  };
  const parentSpanId = toTrace(call.traceparent)?.spanId ?? null;
  return { trace, parentSpanId, name: call.method, kind: 'client', startedAt, endedAt, facts, failure };
};

const childOf = (parent: Trace, spanId: string): Pick<Span, 'trace' | 'parentSpanId'> => ({
  trace: { ...parent, spanId },
  parentSpanId: parent.spanId,
});

/** No serials: a trace goes to whoever keeps traces. */
const about = (of: {
  readonly instance: string;
  readonly station: string;
  readonly jobId: number | null;
}): Span['facts'] => ({
  'stationgrid.instance': of.instance,
  'stationgrid.station': of.station,
  ...(of.jobId === null ? {} : { 'stationgrid.job': of.jobId }),
});

const aboutLease = (
  lease: Pick<LeaseRow, 'id' | 'jobId' | 'instance' | 'station' | 'botId' | 'attempt'>,
): Span['facts'] => ({
  ...about(lease),
  'stationgrid.lease': lease.id,
  'stationgrid.bot': lease.botId,
  'stationgrid.attempt': lease.attempt,
});
