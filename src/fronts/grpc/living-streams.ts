/**
 * Keeps grpc-js from answering the dead. A client may open a stream and reset it within one packet; node then tells of the
 * stream when it is gone already, and grpc-js, where it knows no such method or no such content type, answers it all the
 * same. That throws inside an event of node's, where nobody can catch it: one packet would end the replica.
 */
import type { ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';

type Hear = (interceptors: unknown, stream: ServerHttp2Stream, headers: unknown) => void;
/** What grpc-js gives to node to be told of streams: one of the two, as its options say. */
type Hearing = { _channelzHandler: Hear; _streamHandler: Hear };

/** To be called before anything listens: what hears of streams is chosen then. */
export const keepToLiving = (server: Server): void => {
  const hearing = toHearing(server);
  for (const name of ['_channelzHandler', '_streamHandler'] as const) {
    const hear = hearing[name];
    hearing[name] = (interceptors, stream, headers) => {
      if (!stream.destroyed && !stream.closed) {
        hear.call(server, interceptors, stream, headers);
        return;
      }
      // Of what it died nobody needs to hear; an error that nobody hears would end the process.
      stream.on('error', () => undefined);
    };
  }
};

/** They are not declared, so a version that has them no more must not go unnoticed. */
function toHearing(server: Server): Hearing {
  const hearing = server as unknown as Hearing;
  if (typeof hearing._channelzHandler !== 'function' || typeof hearing._streamHandler !== 'function') {
    throw new Error('this version of grpc-js hears of streams in another way; see whether it still answers dead ones');
  }
  return hearing;
}
