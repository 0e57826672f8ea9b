/**
 * Spans to a collector, by OTLP over HTTP. Loaded only where tracing is configured. The farm names its spans itself, since
 * their children may be made by other replicas; the SDK batches, encodes and sends them.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace as otel, TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { type Span, toTrace, type Trace, traceparentOf } from '../core/trace.ts';
import type { FarmSeams, Log, Tracer } from '../farm/farm.ts';

export type TracingParts = Pick<FarmSeams, 'replica' | 'clock' | 'newId' | 'random'> & {
  readonly log: Log;
  /** Of a collector, `/v1/traces` included. */
  readonly endpoint: string;
  /** Of the traces that begin here: the share that is kept, from 0 to 1. A caller's own decision stands. */
  readonly sampledShare: number;
  readonly version: string;
  /** What the farm is called among others. */
  readonly name: string;
};

export type Tracing = {
  readonly tracer: Tracer;
  /** Sends what is left. Never rejects. */
  readonly close: () => Promise<void>;
};

export const openTracing = (parts: TracingParts): Tracing => {
  const { clock, newId, random, sampledShare } = parts;
  const ids = createGivenIds();
  const exporter = telling(new OTLPTraceExporter({ url: parts.endpoint }), parts.log);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': parts.name,
      'service.version': parts.version,
      'service.instance.id': parts.replica,
    }),
    // Whether a trace is kept was decided when it began.
    sampler: new AlwaysOnSampler(),
    idGenerator: ids,
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  const spans = provider.getTracer('stationgrid', parts.version);
  return {
    tracer: {
      begin: (traceparent) => {
        const caller = toTrace(traceparent);
        const traceId = caller?.traceId ?? hexOf(newId());
        const isSampled = caller?.isSampled ?? random() < sampledShare;
        // Of a random uuid, the half without its version.
        const spanId = hexOf(newId()).slice(16);
        return {
          traceparent: traceparentOf({ traceId, spanId, isSampled }),
          parentSpanId: caller?.spanId ?? null,
          startedAt: clock.now(),
        };
      },
      ended: ({ trace, parentSpanId, name, kind, startedAt, endedAt, facts, failure }) => {
        if (!trace.isSampled) return;
        const { traceId } = trace;
        const parent =
          parentSpanId === null
            ? ROOT_CONTEXT
            : otel.setSpanContext(ROOT_CONTEXT, { traceId, spanId: parentSpanId, traceFlags: TraceFlags.SAMPLED });
        const made = ids.giving(trace, () =>
          spans.startSpan(name, { kind: kinds[kind], startTime: startedAt, attributes: facts }, parent),
        );
        if (failure !== null) made.setStatus({ code: SpanStatusCode.ERROR, message: failure });
        made.end(endedAt);
      },
    },
    close: () => provider.shutdown().catch(() => undefined),
  };
};

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
} as const satisfies Record<Span['kind'], SpanKind>;

const hexOf = (uuid: string): string => uuid.replaceAll('-', '');

/** The SDK asks for ids while it makes a span, and is given those that the span has. */
const createGivenIds = () => {
  let given: Trace | null = null;
  const now = (): Trace => {
    if (given === null) throw new Error('a span was made without its ids');
    return given;
  };
  return {
    generateTraceId: () => now().traceId,
    generateSpanId: () => now().spanId,
    giving: <T>(trace: Trace, make: () => T): T => {
      given = trace;
      try {
        return make();
      } finally {
        given = null;
      }
    },
  };
};

const SUCCESS = 0;

/** A collector that is away costs its spans and nothing else; that it is, and that it is back, is said once each. */
const telling = (exporter: SpanExporter, log: Log): SpanExporter => {
  let isAway = false;
  return {
    export: (batch, done) => {
      exporter.export(batch, (result) => {
        const code: number = result.code;
        const failed = code !== SUCCESS;
        if (failed && !isAway)
          log.warn(
            { err: result.error },
            'spans could not be sent to the collector; they are dropped until it takes them',
          );
        if (!failed && isAway) log.info({}, 'the collector takes spans again');
        isAway = failed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush === undefined ? {} : { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() }),
  };
};
