/** What grpc-js keeps to itself: the HTTP/2 session of each connection, and the streams that a client resets. */
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import type { Ends } from '../../listen/doorkeeper.ts';

type Handle = (session: ServerHttp2Session) => void;
type MakeHandler = (http2Server: unknown) => Handle;
/** What grpc-js gives to node to be told of sessions: one of the two, as its options say. */
type Making = { _channelzSessionHandler: MakeHandler; _sessionHandler: MakeHandler };

/**
 * Tells of each call that its client has reset: of those that were over before anybody heard of them too.
 * To be called before anything listens.
 */
export const hearResets = (server: Server, hear: (connection: Ends) => void): void => {
  const making = toMaking(server);
  for (const name of ['_channelzSessionHandler', '_sessionHandler'] as const) {
    const make = making[name];
    making[name] = (http2Server) => {
      const handle = make.call(server, http2Server);
      return (session) => {
        watch(session, hear);
        handle(session);
      };
    };
  }
};

const watch = (session: ServerHttp2Session, hear: (connection: Ends) => void): void => {
  // Afterwards nobody knows.
  const { localAddress, localPort, remoteAddress, remotePort } = session.socket;
  const connection = { localAddress, localPort, remoteAddress, remotePort };
  // One for all streams of the session: a held poll keeps what listens to its stream for as long as it is held.
  function judge(this: ServerHttp2Stream): void {
    if (this.rstCode !== constants.NGHTTP2_NO_ERROR) hear(connection);
  }
  session.on('stream', (stream: ServerHttp2Stream) => {
    if (stream.closed || stream.destroyed) judge.call(stream);
    else stream.on('close', judge);
  });
};

/** They are not declared, so a version that has them no more must not go unnoticed. */
function toMaking(server: Server): Making {
  const making = server as unknown as Making;
  if (typeof making._channelzSessionHandler !== 'function' || typeof making._sessionHandler !== 'function') {
    throw new Error('this version of grpc-js hears of sessions in another way; see how resets can be counted there');
  }
  return making;
}
