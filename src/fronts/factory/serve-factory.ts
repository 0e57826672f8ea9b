/** The Factory Server door: what DUTs of the Chrome OS factory software call, as they expect it. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { CannotStart } from '../../core/cannot-start.ts';
import type { Admission } from '../../farm/admit.ts';
import type { Farm } from '../../farm/farm.ts';
import { createHttpServer } from '../../listen/create-http-server.ts';
import type { Names } from '../../listen/guard.ts';
import type { Entrance } from '../../listen/keep-door.ts';
import type { Depot } from '../../uploads/depot.ts';
import { answerBroken } from './broken-requests.ts';
import type { FactoryCounts } from './counts.ts';
import { createDownloadSlots } from './download-slots.ts';
import { createInstalog } from './instalog.ts';
import type { MessageLevel } from './judge-event.ts';
import { createMethods } from './methods.ts';
import { createParameters } from './parameters.ts';
import { createResends } from './resends.ts';
import { createResources } from './resources.ts';
import { type AskShopfloor, createShopfloor, type Unanswered } from './shopfloor.ts';
import { createCalls } from './take-call.ts';
import { takeRequest } from './take-request.ts';
import { createUploads } from './uploads.ts';

export type FactoryOptions = {
  readonly farm: Farm;
  readonly admission: Admission;
  readonly entrance: Entrance;
  readonly names: Names;
  readonly address: { readonly host: string; readonly port: number };
  readonly depot: Depot;
  readonly counts: FactoryCounts;
  readonly project: string | null;
  readonly instance: string;
  readonly unanswered: Unanswered;
  readonly ask: AskShopfloor;
  /** Null: the door's own port, as the DUT calls it, and 4. */
  readonly logPort: number | null;
  /** Messages of Testlog below it are accepted and dropped. */
  readonly messageLevel: MessageLevel;
  /** By which DUTs reach the door, a proxy before it included. */
  readonly scheme: 'http' | 'https';
};

export type FactoryDoor = {
  /** `host:port` as bound. */
  readonly address: string;
  readonly port: number;
  /** Takes no new call, lets the others end, for as long as a stopping replica has. */
  readonly stop: () => Promise<void>;
};

/** @throws CannotStart when the address cannot be bound. */
export const serveFactory = async (options: FactoryOptions): Promise<FactoryDoor> => {
  const { farm, entrance, depot, instance, address } = options;
  const { limits, clock } = farm;
  const resources = createResources(depot.root, options);
  const uploads = createUploads({ farm, depot, instance, counts: options.counts });
  const shopfloor = createShopfloor(options);
  const methods = createMethods({
    clock,
    project: options.project,
    logPort: options.logPort,
    resources,
    parameters: createParameters(join(depot.root, 'parameters'), limits.parameters.fileBytesMax),
    uploads,
    shopfloor: (method, params, { peer }) => shopfloor(method, params, peer),
  });
  const resends = createResends(clock, limits.factory);
  const calls = createCalls({ ...options, methods, resends });
  const slots = createDownloadSlots({ clock, newId: farm.newId, limits: limits.downloads });
  const instalog = createInstalog({ ...options, uploads });
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    request.socket.setTimeout(limits.factory.stallMs);
    takeRequest(request, response, {
      calls,
      instalog,
      slots,
      resources,
      boundTo: address.host,
      names: options.names,
    }).catch((error: unknown) => {
      farm.log.error({ err: error }, 'a request to the factory door failed by a fault of ours');
      response.destroy();
    });
  };
  const server = createHttpServer(take, {
    entrance,
    limits: { ...limits.http, requestMs: limits.factory.requestMs },
  });
  server.on('clientError', (error: Error & { readonly code?: string }, socket) => {
    answerBroken(error, socket, clock);
  });
  await listen(server, address);
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  return {
    port,
    address: address.host.includes(':') ? `[${address.host}]:${port}` : `${address.host}:${port}`,
    stop: async () => {
      await stop(server, options);
      resends.stop();
    },
  };
};

const listen = (server: Server, { host, port }: FactoryOptions['address']): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const words = `The factory door cannot listen on ${host}:${port}: ${cause.message}. Free the port, or give another with --factory.`;
      reject(new CannotStart(words, { cause }));
    });
    server.listen({ host, port }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });

const stop = async (server: Server, { entrance, farm }: FactoryOptions): Promise<void> => {
  const closed = new AbortController();
  const closes = new Promise<void>((resolve) => {
    server.close(() => {
      closed.abort();
      resolve();
    });
  });
  entrance.keeper.close();
  server.closeIdleConnections();
  await farm.clock.sleep(farm.limits.replica.drainMs, closed.signal);
  server.closeAllConnections();
  await closes;
};
