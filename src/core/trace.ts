/** Trace context as W3C writes it (Trace Context, level 1), and spans as facts: what, when, of which trace. */
import { createHash } from 'node:crypto';

export type Trace = {
  /** 32 hex digits. */
  readonly traceId: string;
  /** Of the span that what follows is a child of: 16 hex digits. */
  readonly spanId: string;
  /** Somebody keeps it. Otherwise it is handed on, and nothing is told of it. */
  readonly isSampled: boolean;
};

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const SAMPLED = 0x01;

/** Null: it is none, or of a version that we do not know; the trace then begins here. All zeros are no ids. */
export const toTrace = (traceparent: string | null): Trace | null => {
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (!/[1-9a-f]/.test(traceId) || !/[1-9a-f]/.test(spanId)) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
};

export const traceparentOf = ({ traceId, spanId, isSampled }: Trace): string =>
  `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;

/**
 * The id of a part of something that has a random id of its own, a lease or a call. Every replica finds the same, so that
 * a span can have children before it has ended, and elsewhere.
 */
export const spanIdOf = (id: string, part: string): string =>
  createHash('sha256').update(`${part} ${id}`).digest('hex').slice(0, 16);

/** A span that has ended. */
export type Span = {
  /** Its own ids. */
  readonly trace: Trace;
  /** Null: the trace begins with it. */
  readonly parentSpanId: string | null;
  readonly name: string;
  readonly kind: 'server' | 'client' | 'internal';
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  /** What went wrong; null: nothing. */
  readonly failure: string | null;
};

/** The trace that a job is given when it is enqueued. */
export type Begun = {
  /** Of the enqueueing: what comes of the job is its child. */
  readonly traceparent: string;
  readonly parentSpanId: string | null;
  readonly startedAt: Date;
};
