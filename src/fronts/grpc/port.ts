/**
 * The gRPC door without its sockets: bytes in, bytes out, then a status. `adapt.ts` puts it on a grpc-js server; the
 * simulation calls it as it is, which is why all that a call goes through is in here: who calls, reading, admission,
 * the handler, and what an error becomes on the wire.
 */
import { Metadata, status } from '@grpc/grpc-js';
import type { Clock } from '../../core/clock.ts';
import { invalid, Refusal } from '../../core/refusal.ts';
import { type Admission, credentialsEnded, type Origin } from '../../farm/admit.ts';
import type { Log } from '../../farm/farm.ts';
import type { Known } from '../../farm/identify.ts';
import type { Call, Endpoint, Service } from './endpoints.ts';
import { type Answer, refuse } from './refuse.ts';

/** A call as it came off the wire. */
export type WireCall = Origin &
  Pick<Call, 'untilDeadlineMs' | 'traceparent'> & {
    /** Aborts when the client is gone or its deadline has passed. */
    readonly signal: AbortSignal;
  };

/** Given each reply; the next follows when it resolves. It rejects with an AbortError when the signal aborts meanwhile. */
export type Send = (reply: Buffer, signal: AbortSignal) => Promise<void>;

/**
 * Serves one call. Never rejects.
 * @param path of the method, `/package.Service/Method`.
 * @param send is called once where the method is unary.
 * @returns the status that ends the call, after the last reply.
 */
export type Port = (path: string, request: Buffer, call: WireCall, send: Send) => Promise<Answer>;

export type CallName = {
  readonly type: 'unary' | 'server_stream';
  /** With its package: `stationgrid.v1.Jobs`. */
  readonly service: string;
  readonly method: string;
};

/** What counts the calls. */
export type CallWitness = {
  readonly started: (call: CallName) => void;
  readonly received: (call: CallName) => void;
  readonly sent: (call: CallName) => void;
  readonly handled: (call: CallName, end: { readonly code: number; readonly seconds: number }) => void;
};

export type PortSeams = {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: CallWitness;
  readonly admission: Admission;
};

export const createPort = (services: readonly Service[], seams: PortSeams): Port => {
  const endpoints = new Map(services.flatMap((service) => service.endpoints).map((each) => [each.method.path, each]));
  return async (path, request, call, send) => {
    const endpoint = endpoints.get(path);
    if (endpoint === undefined) return refuse(noSuchMethod(path), logBug(path, seams));
    const counted = countCall(endpoint, call, seams);
    try {
      await serve(endpoint, request, { call, seams }, async (reply, signal) => {
        counted.sent();
        await send(reply, signal);
      });
      counted.handled(status.OK);
      return WELL;
    } catch (error) {
      // Who waits for a reader that has gone is told so by an error, and nobody is left to hear of it.
      const refused = call.signal.aborted && isAbort(error) ? LEFT : refuse(error, logBug(path, seams));
      counted.handled(refused.code);
      return refused;
    }
  };
};

const WELL: Answer = { code: status.OK, details: '', metadata: new Metadata() };
const LEFT: Answer = { code: status.CANCELLED, details: 'the client left', metadata: new Metadata() };

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

const serve = async (
  { method, asking, handler }: Endpoint,
  request: Buffer,
  { call, seams: { admission } }: { readonly call: WireCall; readonly seams: PortSeams },
  send: Send,
): Promise<void> => {
  const { verb, targets, object, reason, waits = false } = asking;
  const known = await admission.known(verb, call);
  const message = read(method, request);
  const matter = { targets: targets(message), object: object?.(message) ?? '', reason: reason?.(message) ?? '' };
  const admitted = await admission.admit(verb, known, call, matter);
  const bounds = boundsOf(call, known);
  const { signal } = bounds;
  const { untilDeadlineMs, peer, traceparent } = call;
  const { principal } = known;
  const asked: Call = {
    untilDeadlineMs,
    signal,
    peer,
    principal,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
  /** What was changed before they ended is changed, and may be said; what was waited for may not. */
  const stillHolds = (): void => {
    if (waits && known.until.aborted) throw credentialsEnded(known.until);
  };
  try {
    if (handler.kind === 'unary') {
      const reply = await handler.answer(message, asked);
      stillHolds();
      await send(method.responseSerialize(reply), signal);
    } else {
      for await (const reply of handler.answer(message, asked)) {
        if (signal.aborted) break;
        await send(method.responseSerialize(reply), signal);
      }
      stillHolds();
    }
    admitted.ended(null);
  } catch (error) {
    admitted.ended(error);
    throw known.until.aborted && isAbort(error) ? credentialsEnded(known.until) : error;
  } finally {
    bounds.close();
  }
};

const read = ({ path, requestDeserialize }: Endpoint['method'], bytes: Buffer): unknown => {
  try {
    return requestDeserialize(bytes);
  } catch {
    const words = `The request of ${path} is not the message that the method takes. Encode it by the published schema.`;
    throw invalid('MALFORMED_MESSAGE', words);
  }
};

/**
 * One signal of the two that end a call. Not AbortSignal.any: what follows a signal that lives as long as credentials do is
 * let go of only when it is collected, and there are many calls. Where nobody is asked for credentials, none can end.
 */
const boundsOf = ({ signal }: WireCall, { principal, until }: Known) => {
  if (principal.kind === 'open') return { signal, close: () => undefined };
  const either = new AbortController();
  const end = (): void => {
    either.abort();
  };
  if (signal.aborted || until.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  until.addEventListener('abort', end, { once: true });
  return {
    signal: either.signal,
    close: () => {
      signal.removeEventListener('abort', end);
      until.removeEventListener('abort', end);
    },
  };
};

/** Ends as the caller saw it: whatever we would have answered, a caller that left heard CANCELLED. */
const countCall = ({ method }: Endpoint, { signal }: WireCall, { metrics, clock }: PortSeams) => {
  const [, service = '', name = ''] = method.path.split('/');
  const counted: CallName = { type: method.responseStream ? 'server_stream' : 'unary', service, method: name };
  const startedMs = clock.monotonicMs();
  metrics.started(counted);
  metrics.received(counted);
  return {
    sent: (): void => {
      metrics.sent(counted);
    },
    handled: (code: status): void => {
      const seconds = (clock.monotonicMs() - startedMs) / 1000;
      metrics.handled(counted, { code: signal.aborted ? status.CANCELLED : code, seconds });
    },
  };
};

const noSuchMethod = (path: string): Refusal =>
  new Refusal('NOT_OFFERED', 'NO_SUCH_METHOD', `This farm has no method ${path}. Reflection lists what there is.`);

const logBug =
  (path: string, { log }: PortSeams) =>
  (error: unknown): void => {
    log.error({ method: path, err: error }, 'a call failed by a fault of ours');
  };
