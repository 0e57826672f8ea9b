/** A port whose connections speak HTTP/2: through TLS where there is one, with the preface said. */
import { lookup } from 'node:dns/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { type Entrance, keepDoor } from './keep-door.ts';
import { saysPreface } from './preface.ts';

export type Http2Listener = {
  /** The one bound, where port 0 was asked for. */
  readonly port: number;
  /** Takes no new connection. Those that were taken stay as they are; resolves when the last of them has ended. */
  readonly close: () => Promise<void>;
};

export type Http2ListenOptions = {
  /** A name may stand for several addresses; all that can be bound are. */
  readonly address: { readonly host: string; readonly port: number };
  readonly entrance: Entrance;
  /** Is given each connection, with what it has said so far still to be read. */
  readonly take: (socket: Socket) => void;
};

/** Rejects when no address can be bound. */
export const listenForHttp2 = async (options: Http2ListenOptions): Promise<Http2Listener> => {
  const { entrance, address: asked } = options;
  const [first, ...others] = await lookup(asked.host, { all: true });
  if (first === undefined) throw new Error(`${asked.host} is no address`);
  const server = await bound(createHttp2Door(options), first.address, asked.port);
  const chosen = portOf(server, asked.port);
  // An IPv6 name of a machine without IPv6 is no reason not to serve the other.
  const rest = await Promise.allSettled(others.map(({ address }) => bound(createHttp2Door(options), address, chosen)));
  const servers = [server, ...rest.flatMap((tried) => (tried.status === 'fulfilled' ? [tried.value] : []))];
  return {
    port: chosen,
    close: async () => {
      const closing = servers.map((each) => new Promise((resolve) => each.close(resolve)));
      entrance.keeper.close();
      await Promise.all(closing);
    },
  };
};

const createHttp2Door = ({ entrance: { tls, keeper }, take }: Http2ListenOptions): Server => {
  const hear = (socket: Socket): void => {
    // What goes wrong with a connection ends it; there is nobody to be told.
    socket.on('error', () => undefined);
    if (socket instanceof TLSSocket && socket.alpnProtocol !== 'h2') {
      keeper.refuse(socket, 'not HTTP/2', 'the client does not offer h2 in its TLS handshake (ALPN)');
      return;
    }
    void saysPreface(socket).then((is) => {
      if (socket.destroyed) return;
      if (!is) {
        keeper.refuse(socket, 'not HTTP/2');
        return;
      }
      keeper.proved(socket);
      take(socket);
    });
  };
  const server = tls === null ? createServer(hear) : createTlsServer({ ...tls.options(), ALPNProtocols: ['h2'] }, hear);
  keepDoor(server, { keeper, tls, proves: false });
  return server;
};

const bound = (server: Server, host: string, port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve(server);
    });
  });

const portOf = (server: Server, asked: number): number => {
  const at = server.address();
  return typeof at === 'object' && at !== null ? at.port : asked;
};
