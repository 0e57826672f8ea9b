/**
 * The thin layer between grpc-js and the handlers, which are plain functions of a request and its call: what cancels,
 * how long the caller waits, and what an error becomes on the wire.
 */
import { once } from 'node:events';
import {
  type sendUnaryData,
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import type { Clock } from '../../core/clock.ts';
import { invalid } from '../../core/refusal.ts';
import type { Log } from '../../farm/farm.ts';
import { refuse } from './refuse.ts';

/** Who calls, how long it waits, and whether it still does. */
export type Call = {
  /** Milliseconds to the client's deadline; null: it set none. */
  readonly untilDeadlineMs: number | null;
  /** Aborts when the client is gone or its deadline has passed. */
  readonly signal: AbortSignal;
  /** Where the call came from, `address:port`; for people. */
  readonly peer: string;
  /** Whom the caller has proved to be; null: nobody asked. */
  readonly principal: string | null;
};

export type Unary<Q, R> = (request: Q, call: Call) => Promise<R>;
export type Streaming<Q, R> = (request: Q, call: Call) => AsyncIterable<R>;

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

export type AdaptSeams = {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: CallWitness;
};

type Method = {
  readonly path: string;
  readonly requestStream: false;
  readonly responseStream: boolean;
  // Methods of one definition differ in their messages; each handler's type is checked against its own below.
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
};
type HandlerOf<M extends Method> = M['responseStream'] extends true
  ? Streaming<ReturnType<M['requestDeserialize']>, ReturnType<M['responseDeserialize']>>
  : Unary<ReturnType<M['requestDeserialize']>, ReturnType<M['responseDeserialize']>>;
/** One handler for each method of a generated service definition. */
export type HandlersOf<S extends Readonly<Record<string, Method>>> = { readonly [K in keyof S]: HandlerOf<S[K]> };

/** Adds a generated service definition to the server, with a handler for each of its methods. */
export const addService = <S extends Readonly<Record<string, Method>>>(
  server: Server,
  definition: S,
  handlers: HandlersOf<S>,
  seams: AdaptSeams,
): void => {
  const methods = Object.entries(definition);
  server.addService(
    toDefinition(Object.fromEntries(methods.map(([name, method]) => [name, readingLate(method)]))),
    Object.fromEntries(
      methods.map(([name, method]) => [
        name,
        method.responseStream
          ? streaming(method, toStreaming(handlers[name]), seams)
          : unary(method, toUnary(handlers[name]), seams),
      ]),
    ),
  );
};

/** grpc-js would call a message that does not decode an internal error; it is the caller's, so the adapter decodes. */
const readingLate = (method: Method): Method => ({ ...method, requestDeserialize: (bytes) => bytes });

const read = ({ path, requestDeserialize }: Method, bytes: Buffer): unknown => {
  try {
    return requestDeserialize(bytes);
  } catch {
    const words = `The request of ${path} is not the message that the method takes. Encode it by the published schema.`;
    throw invalid('MALFORMED_MESSAGE', words);
  }
};

const unary =
  (method: Method, handler: Unary<unknown, unknown>, seams: AdaptSeams) =>
  (call: ServerUnaryCall<Buffer, unknown>, answer: sendUnaryData<unknown>): void => {
    const context = contextOf(call, seams);
    const counted = countCall(method, context, seams);
    const run = async (): Promise<unknown> => handler(read(method, call.request), context);
    run().then(
      (reply) => {
        counted.sent();
        counted.handled(status.OK);
        answer(null, reply);
      },
      (error: unknown) => {
        const refused = refuse(error, logBug(method, seams));
        counted.handled(refused.code);
        answer(refused);
      },
    );
  };

const streaming =
  (method: Method, handler: Streaming<unknown, unknown>, seams: AdaptSeams) =>
  (call: ServerWritableStream<Buffer, unknown>): void => {
    const context = contextOf(call, seams);
    const counted = countCall(method, context, seams);
    const run = async (): Promise<void> => {
      for await (const message of handler(read(method, call.request), context)) {
        if (context.signal.aborted) return;
        counted.sent();
        // A reader that is slow slows the stream, and nothing piles up here.
        if (!call.write(message)) await once(call, 'drain', { signal: context.signal });
      }
    };
    run().then(
      () => {
        counted.handled(status.OK);
        call.end();
      },
      (error: unknown) => {
        // Whoever waits for a reader that has gone is told so by an error.
        const refused = context.signal.aborted ? null : refuse(error, logBug(method, seams));
        counted.handled(refused?.code ?? status.CANCELLED);
        if (refused === null) call.end();
        else call.emit('error', refused);
      },
    );
  };

const contextOf = (
  call: ServerUnaryCall<Buffer, unknown> | ServerWritableStream<Buffer, unknown>,
  { clock }: AdaptSeams,
): Call => {
  const gone = new AbortController();
  if (call.cancelled) gone.abort();
  call.on('cancelled', () => {
    gone.abort();
  });
  // A Date, or milliseconds of the same epoch; Infinity without one.
  const deadline = call.getDeadline().valueOf();
  return {
    untilDeadlineMs: Number.isFinite(deadline) ? deadline - clock.now().getTime() : null,
    signal: gone.signal,
    peer: call.getPeer(),
    principal: null,
  };
};

/** Ends as the caller saw it: whatever we would have answered, a caller that left heard CANCELLED. */
const countCall = ({ path, responseStream }: Method, { signal }: Call, { metrics, clock }: AdaptSeams) => {
  const [, service = '', method = ''] = path.split('/');
  const name: CallName = { type: responseStream ? 'server_stream' : 'unary', service, method };
  const startedMs = clock.monotonicMs();
  metrics.started(name);
  metrics.received(name);
  return {
    sent: (): void => {
      metrics.sent(name);
    },
    handled: (code: status): void => {
      const seconds = (clock.monotonicMs() - startedMs) / 1000;
      metrics.handled(name, { code: signal.aborted ? status.CANCELLED : code, seconds });
    },
  };
};

const logBug =
  ({ path }: Method, { log }: AdaptSeams) =>
  (error: unknown): void => {
    log.error({ method: path, err: error }, 'a call failed by a fault of ours');
  };

/** Which handler serves which method was checked by HandlersOf; the loop over them has forgotten it. */
function toUnary(handler: unknown): Unary<unknown, unknown> {
  return handler as Unary<unknown, unknown>;
}
function toStreaming(handler: unknown): Streaming<unknown, unknown> {
  return handler as Streaming<unknown, unknown>;
}
/** Generated definitions have the serializers that `Method` leaves out. */
function toDefinition(methods: Readonly<Record<string, Method>>): ServiceDefinition {
  return methods as unknown as ServiceDefinition;
}
