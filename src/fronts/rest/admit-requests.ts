/** The doorkeeper of the HTTP door: who calls is asked before a body is read, whether it may before a handler runs. */
import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Target, Verb } from '../../core/authorisation.ts';
import { NOBODY, type Principal, principalName } from '../../core/principal.ts';
import type { Admission, Admitted, Matter, Origin } from '../../farm/admit.ts';
import { bearerIn, type Known } from '../../farm/identify.ts';
import { certificateOfSocket } from '../../listen/certificate.ts';
import { instanceOf } from './read.ts';
import type { Shape } from './shape.ts';

/** What a route asks for. */
type Asking = {
  readonly verb: Verb;
  /** What it is about, for the audit; for a bot's work its session. Left out: the verb says it all. */
  readonly object?: (params: Params, body: unknown) => string;
  /** The instance stands in the query, not in the path; without one it is the empty one. */
  readonly inQuery?: true;
};
type Params = Readonly<Record<string, string>>;

type Caller = { readonly known: Known; readonly origin: Origin };

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly asking?: Asking;
    readonly shape?: Shape;
  }
  interface FastifyRequest {
    caller: Caller | null;
  }
}

/** The options of a route. One that goes without them cannot be registered. */
export const asks = (verb: Verb, shape: Shape, object?: Asking['object']) => ({
  config: { shape, asking: object === undefined ? { verb } : { verb, object } },
});

/** Of a route that names its instance in its query. */
export const asksInQuery = (verb: Verb, shape: Shape) => ({
  config: { shape, asking: { verb, inQuery: true } as const },
});

/** The object of a route under the id in its path. */
export const numbered =
  (what: string) =>
  ({ id = '' }: Params): string =>
    `${what} ${id}`;

/** Whom the farm takes the caller of a request for. */
export const principalOf = ({ caller }: Pick<FastifyRequest, 'caller'>): Principal => caller?.known.principal ?? NOBODY;

/** That, as what is kept of the call names it. */
export const callerOf = (request: Pick<FastifyRequest, 'caller'>): string => principalName(principalOf(request));

/** A path that is served, what is asked for there, and what is taken and given. */
export type Route = { readonly method: string; readonly url: string; readonly verb: Verb; readonly shape: Shape };

/** To be called before the routes are added. Returns the list of them, which grows as they are. */
export const admitRequests = (app: FastifyInstance, admission: Admission): readonly Route[] => {
  const routes: Route[] = [];
  app.decorateRequest('caller', null);
  app.addHook('onRoute', ({ method, url, config }) => {
    const verb = config?.asking?.verb;
    const shape = config?.shape;
    if (verb === undefined || shape === undefined)
      throw new Error(`${String(method)} ${url} has no row in the authorisation table: it cannot be served`);
    routes.push(...[method].flat().map((each) => ({ method: each, url, verb, shape })));
  });
  app.addHook('onRequest', async (request) => {
    const asking = askingOf(request);
    // There is nothing at that path, and no more is said of it.
    if (asking === undefined) return;
    const origin = originOf(request);
    request.caller = { origin, known: await admission.known(asking.verb, origin) };
  });
  app.addHook('preHandler', async (request, reply) => {
    const asking = askingOf(request);
    const { caller } = request;
    if (asking === undefined || caller === null) return;
    const admitted = await admission.admit(asking.verb, caller.known, caller.origin, matterOf(asking, request));
    endWith(request, reply, admitted);
  });
  app.addHook('onError', (request, _reply, error, done) => {
    failures.set(request, error);
    done();
  });
  app.addHook('onSend', (request, _reply, payload, done) => {
    settled.get(request)?.();
    done(null, payload);
  });
  return routes;
};

/** What was not routed has no options. */
const askingOf = ({ routeOptions }: { readonly routeOptions?: { readonly config?: FastifyContextConfig } }) =>
  routeOptions?.config?.asking;

const originOf = ({ headers, ip, id, raw }: FastifyRequest): Origin => ({
  credentials: { bearer: bearerIn(headers.authorization), certificate: certificateOfSocket(raw.socket) },
  peer: `${ip}:${raw.socket.remotePort ?? ''}`,
  requestId: id,
});

const matterOf = ({ object, inQuery }: Asking, { params, query, body }: FastifyRequest): Matter => {
  const named = toParams(params);
  return {
    targets: inQuery === true ? [{ instance: textIn(query, 'instance'), botId: null }] : targetsOf(named),
    object: object?.(named, body) ?? '',
    reason: textIn(body, 'reason') || textIn(body, 'note'),
  };
};

const targetsOf = (params: Params): readonly Target[] =>
  params['instance'] === undefined ? [] : [{ instance: instanceOf(params), botId: null }];

/** A text of a body or query that nobody has checked yet; empty: there is none. */
export const textIn = (body: unknown, key: string): string => {
  const members: readonly (readonly [string, unknown])[] =
    typeof body === 'object' && body !== null ? Object.entries(body) : [];
  const value = members.find(([name]) => name === key)?.[1];
  return typeof value === 'string' ? value : '';
};

/** What went wrong with a request, until it ends. */
const failures = new WeakMap<FastifyRequest, unknown>();
/** What is to be done when a request's handler has come to its end. */
const settled = new WeakMap<FastifyRequest, () => void>();

/** A call ends when its handler has, and its last byte is out or nobody is left to read it. */
const endWith = (request: FastifyRequest, { raw }: FastifyReply, admitted: Admitted): void => {
  let isClosed = raw.destroyed;
  let isSettled = false;
  const end = (): void => {
    if (!isClosed || !isSettled) return;
    settled.delete(request);
    admitted.ended(failures.get(request) ?? null);
  };
  raw.once('close', () => {
    isClosed = true;
    end();
  });
  settled.set(request, () => {
    isSettled = true;
    end();
  });
};

/** Fastify's router makes them of the path: texts by name. */
function toParams(params: unknown): Params {
  return params as Params;
}
