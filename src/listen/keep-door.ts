/** Puts a doorkeeper before whatever a server does with its connections. */
import type { Server as NetServer, Socket } from 'node:net';
import { Server as TlsServer, type TLSSocket } from 'node:tls';
import { settleCertificate } from './certificate.ts';
import type { Doorkeeper } from './doorkeeper.ts';
import type { TlsKeeper } from './tls-keeper.ts';

/** What a door stands on. Each has a keeper of its own; TLS is the same for all. */
export type Entrance = {
  readonly keeper: Doorkeeper;
  /** Null: the door is plain. */
  readonly tls: TlsKeeper | null;
};

/** @param proves whether a connection has proved itself once it is there, and through TLS where the door has it. */
export const keepDoor = (server: NetServer, { keeper, tls, proves }: Entrance & { readonly proves: boolean }): void => {
  before(server, 'connection', (socket: Socket) => {
    if (!keeper.admit(socket)) return false;
    if (proves && tls === null) keeper.proved(socket);
    return true;
  });
  if (tls === null || !(server instanceof TlsServer)) return;
  tls.keep(server);
  before(server, 'secureConnection', (socket: TLSSocket) => {
    settleCertificate(socket);
    const why = tls.objection(socket);
    if (why !== null) keeper.refuse(socket, 'client certificate', why);
    else if (proves) keeper.proved(socket);
    return why === null;
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    // Whoever only looks whether the port is open leaves before it has said anything.
    if (error.code === 'ECONNRESET') socket.destroy();
    else keeper.refuse(socket, 'TLS handshake', error.message);
  });
};

/** The listeners that the server has for an event hear of what is let through only. */
const before = (
  server: NetServer,
  event: 'connection' | 'secureConnection',
  admits: (socket: TLSSocket) => boolean,
): void => {
  const listeners = server.rawListeners(event);
  server.removeAllListeners(event);
  server.on(event, (socket: TLSSocket) => {
    if (admits(socket)) for (const listener of listeners) Reflect.apply(listener, server, [socket]);
  });
};
