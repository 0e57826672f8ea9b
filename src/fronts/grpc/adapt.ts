/** The thin layer between grpc-js and the port: what cancels, how long the caller waits, what it shows of itself. */
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
import type { Origin } from '../../farm/admit.ts';
import { bearerIn } from '../../farm/identify.ts';
import { certificateOf } from './certificate.ts';
import type { Endpoint, Service } from './endpoints.ts';
import type { Port, WireCall } from './port.ts';

/** Puts the services that the port knows on a server. */
export const addServices = (server: Server, services: readonly Service[], port: Port, clock: Clock): void => {
  for (const { endpoints } of services) {
    const methods = endpoints.map(({ method }) => method);
    server.addService(
      toDefinition(Object.fromEntries(methods.map((method) => [method.path, untouched(method)]))),
      Object.fromEntries(
        methods.map((method) => [
          method.path,
          method.responseStream ? streaming(method, port, clock) : unary(method, port, clock),
        ]),
      ),
    );
  }
};

const asIs = (bytes: Buffer): Buffer => bytes;

/** Bytes on both sides: grpc-js would call a message that does not decode an internal error; it is the caller's. */
const untouched = (method: Endpoint['method']) => ({ ...method, requestDeserialize: asIs, responseSerialize: asIs });

const unary =
  ({ path }: Endpoint['method'], port: Port, clock: Clock) =>
  (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void => {
    let reply: Buffer | null = null;
    const take = (bytes: Buffer): Promise<void> => {
      reply = bytes;
      return Promise.resolve();
    };
    void port(path, call.request, wireCallOf(call, clock), take).then((end) => {
      if (reply === null) answer(end);
      else answer(null, reply);
    });
  };

const streaming =
  ({ path }: Endpoint['method'], port: Port, clock: Clock) =>
  (call: ServerWritableStream<Buffer, Buffer>): void => {
    const wireCall = wireCallOf(call, clock);
    const write = async (bytes: Buffer, signal: AbortSignal): Promise<void> => {
      // A reader that is slow slows the stream, and nothing piles up here.
      if (!call.write(bytes)) await once(call, 'drain', { signal });
    };
    void port(path, call.request, wireCall, write).then((end) => {
      if (end.code === status.OK || wireCall.signal.aborted) call.end();
      else call.emit('error', end);
    });
  };

type AnyCall = Pick<
  ServerUnaryCall<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>,
  'cancelled' | 'getDeadline' | 'getPeer' | 'metadata' | 'getAuthContext'
> & { readonly on: (event: 'cancelled', hear: () => void) => unknown };

/** Made once: an error of its own for each call that ends costs more than the rest of its end. */
const LEFT = new DOMException('the client left', 'AbortError');

const wireCallOf = (call: AnyCall, clock: Clock): WireCall => {
  const gone = new AbortController();
  if (call.cancelled) gone.abort(LEFT);
  call.on('cancelled', () => {
    gone.abort(LEFT);
  });
  // A Date, or milliseconds of the same epoch; Infinity without one.
  const deadline = call.getDeadline().valueOf();
  const traceparent = headerOf(call, 'traceparent');
  return {
    ...originOf(call),
    untilDeadlineMs: Number.isFinite(deadline) ? deadline - clock.now().getTime() : null,
    signal: gone.signal,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
};

/** What a call shows of its caller. Nothing of it is believed yet. */
export const originOf = (call: Pick<AnyCall, 'getPeer' | 'metadata' | 'getAuthContext'>): Origin => ({
  credentials: { bearer: bearerIn(headerOf(call, 'authorization')), certificate: certificateOf(call) },
  peer: call.getPeer(),
  requestId: headerOf(call, 'x-request-id') ?? null,
});

/** Several values are no value: which of them would count? */
const headerOf = ({ metadata }: Pick<AnyCall, 'metadata'>, name: string): string | undefined => {
  const [value, another] = metadata.get(name);
  return another === undefined && typeof value === 'string' ? value : undefined;
};

/** Our methods take one request each, and have what grpc-js asks of a definition. */
function toDefinition(methods: Readonly<Record<string, ReturnType<typeof untouched>>>): ServiceDefinition {
  return methods as unknown as ServiceDefinition;
}
