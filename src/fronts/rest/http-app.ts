/** What the doors of HTTP share: a Fastify on an entrance, within the limits, that opens and stops in good order. */
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { CannotStart } from '../../core/cannot-start.ts';
import type { Home } from '../../farm/home.ts';
import { createHttpServer } from '../../listen/create-http-server.ts';
import { guard, type Names } from '../../listen/guard.ts';
import type { Entrance } from '../../listen/keep-door.ts';
import { answerBroken } from './broken-requests.ts';
import { type Problem, problem, PROBLEM_TYPE, problemHeaders, problemOf } from './problem.ts';

/** What of a replica every door needs. */
type Seams = Pick<Home, 'clock' | 'limits' | 'log' | 'newId'>;

export type AppOptions = {
  readonly home: Seams;
  readonly address: { readonly host: string; readonly port: number };
  readonly entrance: Entrance;
  /** What requests may call this door. */
  readonly names: Names;
};

export type HttpDoor = {
  /** `host:port` as bound. */
  readonly address: string;
  readonly port: number;
  /** Takes no new request, ends watches, lets the others end. */
  readonly stop: () => Promise<void>;
};

/** Of one part of a path: an instance or a bot id of 256 bytes, each of them escaped. */
const PARAMETER_LENGTH_MAX = 1024;

/** Foreign pages and hosts are refused here; everything else is for who adds the routes. */
export const createApp = ({ home, address, entrance, names }: AppOptions): FastifyInstance => {
  const { http } = home.limits;
  const app = fastify({
    serverFactory: (take) => createHttpServer(take, { entrance, limits: http }),
    bodyLimit: http.bodyBytesMax,
    requestIdHeader: 'x-request-id',
    genReqId: () => home.newId(),
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    // An open keep-alive connection must not hold up the stop of a replica.
    forceCloseConnections: 'idle',
    clientErrorHandler: answerBroken,
    frameworkErrors: (error, _request, reply) => {
      answer(reply, problemOf(error, logBug(home)));
    },
  });
  // JSON and nothing else: a form that a foreign page can send without asking is not read at all.
  app.removeContentTypeParser('text/plain');
  app.addHook('onRequest', async ({ headers: { host, origin } }, reply) => {
    const refused = guard({ host, origin }, { boundTo: address.host, names });
    if (refused !== null) return answer(reply, problem(refused.status, refused.reason, refused.words));
    return undefined;
  });
  app.setErrorHandler((error, _request, reply) => answer(reply, problemOf(error, logBug(home)), error));
  return app;
};

/**
 * @param door its name for people, and the flag that moves it.
 * @throws CannotStart when the address cannot be bound.
 */
export const openApp = async (
  app: FastifyInstance,
  { home, address, entrance }: AppOptions,
  door: { readonly name: string; readonly flag: string },
): Promise<HttpDoor> => {
  const { host, port: asked } = address;
  await app.listen({ host, port: asked }).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    const words = `The ${door.name} cannot listen on ${host}:${asked}: ${why}. Free the port, or give another with ${door.flag}.`;
    throw new CannotStart(words, { cause });
  });
  const bound = app.server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : asked;
  return {
    port,
    address: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    stop: () => stop(app, entrance, home),
  };
};

/** Whoever reads its answer slowly does so for as long as a stopping replica has, and no longer. */
const stop = async (app: FastifyInstance, { keeper }: Entrance, { clock, limits }: Seams): Promise<void> => {
  const closed = new AbortController();
  const closes = app.close().finally(() => closed.abort());
  keeper.close();
  await clock.sleep(limits.replica.drainMs, closed.signal);
  app.server.closeAllConnections();
  await closes;
};

export const answer = (reply: FastifyReply, said: Problem, error?: unknown): FastifyReply => {
  reply.headers(problemHeaders(error, said));
  return reply.status(said.status).type(PROBLEM_TYPE).send(JSON.stringify(said));
};

const logBug =
  ({ log }: Seams) =>
  (error: unknown): void => {
    log.error({ err: error }, 'a request failed by a fault of ours');
  };
