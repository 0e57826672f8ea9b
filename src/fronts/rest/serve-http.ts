/** The HTTP door: health, metrics, and JSON for people with curl, on one port. */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Admission } from '../../farm/admit.ts';
import type { Home } from '../../farm/home.ts';
import { admitRequests, asks, type Route } from './admit-requests.ts';
import { trackMethods } from './allowed-methods.ts';
import { answer, type AppOptions, createApp, type HttpDoor, openApp } from './http-app.ts';
import { type DoorSign, indexHtml, indexJson } from './index-page.ts';
import { addOperations, type Operations } from './operations.ts';
import type { ParameterDepot } from './parameters.ts';
import { type Problem, problem } from './problem.ts';
import { asyncApi } from './asyncapi.ts';
import type { Json } from './json-schema.ts';
import { openApi } from './openapi.ts';
import { json, JSON_TYPE, media, type Shape } from './shape.ts';
import { restDoor, type RestParts } from './rest-door.ts';
import { addShortUnits } from './units.ts';
import { addWhoAmI } from './who-am-i.ts';

export type HttpOptions = AppOptions &
  Operations & {
    readonly home: Home;
    readonly admission: Admission;
    /** Left out: this replica has no factory door. */
    readonly parameters?: ParameterDepot | null;
    /** Other doors, to be named at `/`. */
    readonly doors?: readonly DoorSign[];
  };

/** @throws CannotStart when the address cannot be bound. */
export const serveHttp = async (options: HttpOptions): Promise<HttpDoor & { readonly routes: readonly Route[] }> => {
  const closing = new AbortController();
  const app = createApp(options);
  const routes = await addRoutes(app, { ...options, closing: closing.signal });
  const door = await openApp(app, options, { name: 'HTTP door', flag: '--http' });
  return {
    ...door,
    routes,
    stop: () => {
      closing.abort();
      return door.stop();
    },
  };
};

/** Everything that the door serves. Nothing is called yet: what is served can be listed without a farm. */
export const addRoutes = async (
  app: FastifyInstance,
  parts: Omit<HttpOptions, keyof AppOptions> & Omit<RestParts, 'parameters'>,
): Promise<readonly Route[]> => {
  const { home, admission, closing, parameters = null, doors = [] } = parts;
  const allowedFor = trackMethods(app);
  const routes = admitRequests(app, admission);
  app.setNotFoundHandler((request, reply) => answer(reply, notHere(request.raw, reply, allowedFor)));
  addOperations(app, parts);
  addIndex(app, doors);
  addSchemas(app, routes);
  addWhoAmI(app);
  await app.register(shortUnits, { prefix: '/api/v1', home });
  await app.register(restDoor, { prefix: '/api/v1/instances/:instance', home, closing, parameters });
  return routes;
};

const shortUnits: FastifyPluginCallback<Pick<RestParts, 'home'>> = (app, { home }, done) => {
  addShortUnits(app, home);
  done();
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

const signs = media({
  [JSON_TYPE]: z.strictObject({
    name: z.string(),
    doors: z.array(z.strictObject({ name: z.string(), at: z.string(), what: z.string() })),
  }),
  'text/html': z.string(),
});

const addIndex = (app: FastifyInstance, doors: readonly DoorSign[]): void => {
  app.get('/', asks('read-schema', { says: 'Names the doors of the farm.', gives: signs }), (request, reply) =>
    wantsHtml(request) ? reply.type('text/html; charset=utf-8').send(indexHtml(doors)) : reply.send(indexJson(doors)),
  );
};

/** They tell of themselves too, so they are made when all routes are there. */
const addSchemas = (app: FastifyInstance, routes: readonly Route[]): void => {
  const add = (path: string, shape: Shape, describe: () => Json): void => {
    let text: string | null = null;
    app.get(path, asks('read-schema', shape), (_request, reply) => {
      text ??= JSON.stringify(describe());
      return reply.type(JSON_TYPE).send(text);
    });
  };
  const gives = json(z.record(z.string(), z.unknown()));
  const door: Shape = { says: 'This description of the HTTP door.', name: 'readOpenApi', gives };
  const events: Shape = { says: 'A description of farm events, as AsyncAPI.', name: 'readAsyncApi', gives };
  add('/api/v1/openapi.json', door, () => openApi(routes));
  add('/api/v1/asyncapi.json', events, asyncApi);
};

const wantsHtml = ({ headers: { accept = '' } }: FastifyRequest): boolean => accept.includes('text/html');
