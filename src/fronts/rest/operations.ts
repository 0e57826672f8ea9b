/** What probes and scrapers ask: on the HTTP door, and on a door of their own. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Readiness } from '../../core/readiness.ts';
import { media } from './shape.ts';
import { asks } from './admit-requests.ts';
import { answer, type AppOptions, createApp, type HttpDoor, openApp } from './http-app.ts';
import { problem } from './problem.ts';

export type Operations = {
  readonly metrics: {
    readonly contentType: (accept: string | undefined) => string;
    readonly text: (accept: string | undefined) => Promise<string>;
  };
  readonly ready: () => Promise<Readiness>;
};

const plain = media({ 'text/plain': z.string() });
const exposition = media({ 'text/plain': z.string(), 'application/openmetrics-text': z.string() });

export const addOperations = (app: FastifyInstance, { metrics, ready }: Operations): void => {
  app.get(
    '/livez',
    asks('read-health', { says: 'Says whether the process lives.', name: 'readLiveness', gives: plain }),
    (_request, reply) => reply.type('text/plain').send('ok\n'),
  );
  app.get(
    '/readyz',
    asks('read-health', { says: 'Says whether it can serve, and if not why.', name: 'readReadiness', gives: plain }),
    async (_request, reply) => {
      const { ok, why } = await ready();
      if (ok) return reply.type('text/plain').send(why === '' ? 'ok\n' : `ok: ${why}\n`);
      return answer(reply, problem(503, 'NOT_READY', `The replica is not ready: ${why}.`));
    },
  );
  app.get(
    '/metrics',
    asks('read-metrics', { says: 'The metrics, for Prometheus.', gives: exposition }),
    async ({ headers: { accept } }, reply) => reply.type(metrics.contentType(accept)).send(await metrics.text(accept)),
  );
};

/**
 * The door of their own: whoever reaches it may ask, so nothing else is on it.
 * @throws CannotStart when the address cannot be bound.
 */
export const serveOperations = (options: AppOptions & Operations): Promise<HttpDoor> => {
  const app = createApp(options);
  app.setNotFoundHandler((_request, reply) =>
    answer(reply, problem(404, 'NO_SUCH_PATH', 'Here are /livez, /readyz and /metrics, and nothing else.')),
  );
  addOperations(app, options);
  return openApp(app, options, { name: 'door for operations', flag: '--ops' });
};
