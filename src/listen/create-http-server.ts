/** A server of HTTP/1.1, plain or over TLS, that no slow or greedy client can hold up. */
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Limits } from '../core/limits.ts';
import { type Entrance, keepDoor } from './keep-door.ts';

export const createHttpServer = (
  take: RequestListener,
  { entrance: { tls, keeper }, limits }: { readonly entrance: Entrance; readonly limits: Limits['http'] },
): Server => {
  const options: ServerOptions = {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: limits.checkMs,
    keepAliveTimeout: limits.idleMs,
    maxHeaderSize: limits.headerBytesMax,
  };
  const server = tls === null ? createServer(options, take) : createTlsServer({ ...options, ...tls.options() }, take);
  server.maxHeadersCount = limits.headersMax;
  server.maxRequestsPerSocket = limits.requestsPerConnectionMax;
  keepDoor(server, { keeper, tls, proves: true });
  return server;
};
