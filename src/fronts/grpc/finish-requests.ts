/**
 * Next to the wire: ends calls whose request never finishes arriving, which grpc-js would wait for for ever, and tells of
 * those without credentials.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import { status, type ServerInterceptor, ServerInterceptingCall, type ServerListener } from '@grpc/grpc-js';
import { Refusal } from '../../core/refusal.ts';
import type { Deadlines } from '../../listen/deadlines.ts';
import type { Ends } from '../../listen/doorkeeper.ts';
import { refuse } from './refuse.ts';

type InnermostCall = Parameters<ServerInterceptor>[1];

export type FinishSeams = {
  /** Of requests that are arriving. */
  readonly deadlines: Deadlines;
  /** What they have, for the words. */
  readonly withinMs: number;
  /** Is told of each call whose caller showed no credentials that hold. */
  readonly stray: (connection: Ends) => void;
};

/**
 * Each of our methods takes one request, so a call has said all when its client half-closes.
 * To be the first of a server's interceptors, which is the one next to the wire.
 */
export const finishRequests =
  ({ deadlines, withinMs, stray }: FinishSeams): ServerInterceptor =>
  (method, call) => {
    // Reflection goes on talking; what it waits for is its own affair.
    if (method.requestStream) return new ServerInterceptingCall(call);
    let arrived: (() => void) | null = null;
    const end = (): void => {
      arrived?.();
      arrived = null;
    };
    const listener: ServerListener = {
      onReceiveHalfClose: (next) => {
        end();
        next();
      },
      // Of a call that has had its status, too.
      onCancel: () => {
        if (arrived !== null) letGo(call);
        end();
      },
    };
    return new ServerInterceptingCall(call, {
      start: (next) => {
        arrived = deadlines.begin(() => {
          call.sendStatus(refuse(tooSlow(withinMs), () => undefined));
        });
        next(listener);
      },
      sendStatus: (said, next) => {
        if (said.code === status.UNAUTHENTICATED) stray(call.getConnectionInfo());
        next(said);
      },
    });
  };

/**
 * RFC 9113, 8.1: the rest of a request is no longer wanted. Without this the stream, and what has arrived of it, stay
 * until the client closes its side, and count as one of its calls.
 */
const letGo = (call: InnermostCall): void => {
  const stream = toStream(call);
  if (stream?.closed === false) stream.close(constants.NGHTTP2_NO_ERROR);
};

/** grpc-js 1.14 keeps its stream to itself and never closes it; null: it has come to keep it otherwise. */
function toStream(call: InnermostCall): Pick<ServerHttp2Stream, 'closed' | 'close'> | null {
  const { stream } = call as unknown as { readonly stream?: Partial<ServerHttp2Stream> };
  return typeof stream?.close === 'function' ? (stream as ServerHttp2Stream) : null;
}

const tooSlow = (withinMs: number): Refusal =>
  new Refusal(
    'LIMIT_REACHED',
    'REQUEST_TOO_SLOW',
    `The request had not arrived whole after ${withinMs / 1000} s. Send it at once, or mend the network in between.`,
  );
