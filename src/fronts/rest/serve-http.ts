/** The HTTP door: health, metrics, and JSON for people with curl, on one port. */
import type { IncomingMessage } from 'node:http';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { CannotStart } from '../../core/cannot-start.ts';
import type { Home } from '../../farm/home.ts';
import { trackMethods } from './allowed-methods.ts';
import { guard } from './guard.ts';
import { type DoorSign, indexHtml, indexJson } from './index-page.ts';
import { type Problem, problem, PROBLEM_TYPE, problemOf, RETRY_AFTER } from './problem.ts';
import { restDoor } from './rest-door.ts';

export type HttpOptions = {
  readonly home: Home;
  readonly address: { readonly host: string; readonly port: number };
  readonly metrics: {
    readonly contentType: (accept: string | undefined) => string;
    readonly text: (accept: string | undefined) => Promise<string>;
  };
  /** `why` in words, empty when all is well. */
  readonly ready: () => Promise<{ readonly ok: boolean; readonly why: string }>;
  /** Other doors, to be named at `/`. */
  readonly doors?: readonly DoorSign[];
};

export type HttpDoor = {
  /** `host:port` as bound. */
  readonly address: string;
  readonly port: number;
  /** Takes no new request, ends watches, lets the others end. */
  readonly stop: () => Promise<void>;
};

const BODY_BYTES_MAX = 1024 * 1024;
/** Time for a request to arrive, body and all. */
const REQUEST_MS_MAX = 30_000;
/** Of one part of a path: an instance or a bot id of 256 bytes, each of them escaped. */
const PARAMETER_LENGTH_MAX = 1024;

/** @throws CannotStart when the address cannot be bound. */
export const serveHttp = async (options: HttpOptions): Promise<HttpDoor> => {
  const { home, address, doors = [] } = options;
  const closing = new AbortController();
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    // An open keep-alive connection must not hold up the stop of a replica.
    forceCloseConnections: 'idle',
    frameworkErrors: (error, _request, reply) => {
      answer(reply, problemOf(error, logBug(home)));
    },
  });
  // JSON and nothing else: a form that a foreign page can send without asking is not read at all.
  app.removeContentTypeParser('text/plain');
  const allowedFor = trackMethods(app);
  app.addHook('onRequest', async (request, reply) => {
    const refused = guard({ host: request.headers.host, origin: request.headers.origin }, address.host);
    if (refused !== null) return answer(reply, refused);
    return undefined;
  });
  app.setErrorHandler((error, _request, reply) => answer(reply, problemOf(error, logBug(home))));
  app.setNotFoundHandler((request, reply) => answer(reply, notHere(request.raw, reply, allowedFor)));
  addOperations(app, options);
  addIndex(app, doors);
  await app.register(restDoor, { prefix: '/api/v1/instances/:instance', home, closing: closing.signal });
  const port = await listen(app, address);
  return {
    port,
    address: address.host.includes(':') ? `[${address.host}]:${port}` : `${address.host}:${port}`,
    stop: () => {
      closing.abort();
      return stop(app, home);
    },
  };
};

/** Whoever reads its answer slowly does so for as long as a stopping replica has, and no longer. */
const stop = async (app: FastifyInstance, { clock, limits }: Home): Promise<void> => {
  const closed = new AbortController();
  const closes = app.close().finally(() => closed.abort());
  await clock.sleep(limits.replica.drainMs, closed.signal);
  app.server.closeAllConnections();
  await closes;
};

const answer = (reply: FastifyReply, said: Problem): FastifyReply => {
  if (said.status === 503) reply.header('retry-after', RETRY_AFTER);
  return reply.status(said.status).type(PROBLEM_TYPE).send(JSON.stringify(said));
};

const logBug =
  ({ log }: Home) =>
  (error: unknown): void => {
    log.error({ err: error }, 'a request failed by a fault of ours');
  };

const notHere = (
  { url = '/', method = '' }: IncomingMessage,
  reply: FastifyReply,
  allowedFor: (path: string) => readonly string[],
): Problem => {
  const path = url.replace(/\?.*$/s, '');
  const allowed = allowedFor(path);
  if (allowed.length === 0)
    return problem(404, 'NO_SUCH_PATH', `There is nothing at ${path}. What there is stands at /.`);
  reply.header('allow', allowed.join(', '));
  return problem(405, 'METHOD_NOT_ALLOWED', `${path} takes ${allowed.join(' and ')}, not ${method}.`);
};

const addOperations = (app: FastifyInstance, { metrics, ready }: HttpOptions): void => {
  app.get('/livez', (_request, reply) => reply.type('text/plain').send('ok\n'));
  app.get('/readyz', async (_request, reply) => {
    const { ok, why } = await ready();
    if (ok) return reply.type('text/plain').send('ok\n');
    return answer(reply, problem(503, 'NOT_READY', `The replica is not ready: ${why}.`));
  });
  app.get('/metrics', async ({ headers: { accept } }, reply) =>
    reply.type(metrics.contentType(accept)).send(await metrics.text(accept)),
  );
};

const addIndex = (app: FastifyInstance, doors: readonly DoorSign[]): void => {
  app.get('/', (request, reply) =>
    wantsHtml(request) ? reply.type('text/html; charset=utf-8').send(indexHtml(doors)) : reply.send(indexJson(doors)),
  );
};

const wantsHtml = ({ headers: { accept = '' } }: FastifyRequest): boolean => accept.includes('text/html');

const listen = async (
  app: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<number> => {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CannotStart(
      `The HTTP door cannot listen on ${host}:${port}: ${why}. Free the port, or give another with --http.`,
      { cause },
    );
  }
  const bound = app.server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : port;
};
