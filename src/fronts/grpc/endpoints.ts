/** What the gRPC door serves, method by method: how its messages are read, what it asks for, who answers it. */
import type { Target, Verb } from '../../core/authorisation.ts';
import type { Principal } from '../../core/principal.ts';

/** Who calls, how long it waits, and whether it still does. */
export type Call = {
  /** Milliseconds to the client's deadline; null: it set none. */
  readonly untilDeadlineMs: number | null;
  /** Aborts when the client is gone, its deadline has passed, or its credentials have ended. */
  readonly signal: AbortSignal;
  /** Where the call came from, `address:port`; for people. */
  readonly peer: string;
  readonly principal: Principal;
  /** The caller's place in a trace, as it was sent; absent: it sent none. */
  readonly traceparent?: string;
};

export type Unary<Q, R> = (request: Q, call: Call) => Promise<R>;
export type Streaming<Q, R> = (request: Q, call: Call) => AsyncIterable<R>;

export type Method = {
  readonly path: string;
  readonly requestStream: false;
  readonly responseStream: boolean;
  // Methods of one definition differ in their messages; each handler's type is checked against its own below.
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
};
type Definition = Readonly<Record<string, Method>>;
type RequestOf<M extends Method> = ReturnType<M['requestDeserialize']>;

type HandlerOf<M extends Method> = M['responseStream'] extends true
  ? Streaming<RequestOf<M>, ReturnType<M['responseDeserialize']>>
  : Unary<RequestOf<M>, ReturnType<M['responseDeserialize']>>;
/** One handler for each method of a generated service definition. */
export type HandlersOf<S extends Definition> = { readonly [K in keyof S]: HandlerOf<S[K]> };

/** What a method asks for, read from its request. */
export type Asking<Q> = {
  readonly verb: Verb;
  readonly targets: (request: Q) => readonly Target[];
  /** For the audit; for a bot's work its session. Left out: the verb says it all. */
  readonly object?: (request: Q) => string;
  readonly reason?: (request: Q) => string;
  /** The call may be held: its caller's credentials must hold until it is answered. */
  readonly waits?: true;
};
/** One row for each method of a generated service definition: a method without one does not compile. */
export type AskingsOf<S extends Definition> = { readonly [K in keyof S]: Asking<RequestOf<S[K]>> };

/** A method as the port knows it, its types forgotten. */
export type Endpoint = {
  readonly method: Method & { readonly responseSerialize: (reply: unknown) => Buffer };
  readonly asking: Asking<unknown>;
  readonly handler:
    | { readonly kind: 'unary'; readonly answer: Unary<unknown, unknown> }
    | { readonly kind: 'streaming'; readonly answer: Streaming<unknown, unknown> };
};

/** A service of the door: its name on the wire, and its methods. */
export type Service = { readonly name: string; readonly endpoints: readonly Endpoint[] };

export const createService = <S extends Definition>(
  definition: S,
  askings: AskingsOf<S>,
  handlers: HandlersOf<S>,
): Service => {
  const endpoints = Object.entries(definition).map(([name, method]) =>
    toEndpoint(method, askings[name], handlers[name]),
  );
  const [, service = ''] = endpoints[0]?.method.path.split('/') ?? [];
  return { name: service, endpoints };
};

/** Which row and which handler belong to which method was checked by AskingsOf and HandlersOf; the loop has forgotten it. */
function toEndpoint(method: Method, asking: unknown, handler: unknown): Endpoint {
  return {
    method: method as Endpoint['method'],
    asking: asking as Asking<unknown>,
    handler: method.responseStream
      ? { kind: 'streaming', answer: handler as Streaming<unknown, unknown> }
      : { kind: 'unary', answer: handler as Unary<unknown, unknown> },
  };
}
