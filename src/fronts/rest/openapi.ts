/**
 * The door as OpenAPI 3.1 describes it: made of the routes as they are served and of the very schemas by which they read,
 * so that nothing can be served that it does not tell.
 */
import { rules } from '../../core/authorisation.ts';
import type { Route } from './admit-requests.ts';
import { bodyOf, type Json, type Schemas, schemasInto } from './json-schema.ts';
import { type Gives, JSON_TYPE } from './shape.ts';
import { problem } from './shapes/problem.ts';
import { PROBLEM_TYPE } from './problem.ts';

const preface = {
  openapi: '3.1.1',
  info: {
    title: 'StationGrid',
    version: 'v1',
    summary: 'A bot farm for factory lines.',
    description:
      'The same verbs as the gRPC door, as JSON. Lists have pages: give `nextPageToken` back as `pageToken`. ' +
      'Replies may gain members; ignore those that you do not know. Every refusal is a problem (RFC 9457).',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
};

const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer', description: 'A JWT of a person or program, or a token of a bot.' },
  certificate: { type: 'mutualTLS', description: "A bot's certificate, with its SPIFFE id." },
};

/** Both are asked for only by a farm that asks for credentials at all. */
const someCredentials = [{}, { bearer: [] }, { certificate: [] }];

export const openApi = (routes: readonly Route[]): Json => {
  const schemas: Schemas = new Map();
  const served = routes.filter(({ method }) => method !== 'HEAD');
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of served) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[route.method.toLowerCase()] = operationOf(route, schemas);
  }
  checkNames(served.map(nameOf));
  const refused = { description: 'It was refused, and nothing was changed.', content: contentOf(refusal, schemas) };
  return {
    ...preface,
    tags: [...new Set(served.map(tagOf))].map((name) => ({ name })),
    paths,
    components: { schemas: Object.fromEntries(schemas), responses: { Problem: refused }, securitySchemes },
  };
};

const refusal: Gives['content'] = { [PROBLEM_TYPE.replace(/;.*/, '')]: problem };

const operationOf = (route: Route, schemas: Schemas): Json => {
  const { url, verb, shape } = route;
  const { says, query, gives } = shape;
  const named = [...url.matchAll(/:(\w+)/g)].flatMap(([, name]) => name ?? []);
  const parameters = [...named.map(inPath), ...(query === undefined ? [] : inQuery(query, schemas))];
  return {
    operationId: nameOf(route),
    summary: says,
    tags: [tagOf(route)],
    'x-stationgrid-verb': verb,
    security: rules[verb].of === 'anybody' ? [] : someCredentials,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...requestOf(shape, schemas),
    responses: {
      [gives.status]: answerOf(gives, schemas),
      ...(gives.mayBeThere === true
        ? { 200: { ...answerOf(gives, schemas), description: 'It is there already.' } }
        : {}),
      default: { $ref: '#/components/responses/Problem' },
    },
  };
};

const requestOf = ({ body, takes }: Route['shape'], schemas: Schemas): Readonly<Record<string, Json>> => {
  if (takes !== undefined) return { requestBody: { content: { [takes]: {} }, required: true } };
  if (body === undefined) return {};
  return { requestBody: { content: { [JSON_TYPE]: { schema: bodyOf(body, schemas) } } } };
};

const answerOf = ({ status, content }: Gives, schemas: Schemas): Json => ({
  description: { 200: 'Done.', 201: 'Made.', 204: 'Done; there is nothing to show.' }[status],
  ...(status === 204 ? {} : { content: contentOf(content, schemas) }),
});

const contentOf = (content: Gives['content'], schemas: Schemas): Json =>
  Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [type, { schema: schemasInto(schemas, schema, 'output') }]),
  );

const inPath = (name: string): Json => ({
  name,
  in: 'path',
  required: true,
  ...(name === 'instance' ? { description: 'The empty instance is written `-`.' } : {}),
  schema: { type: 'string' },
});

const inQuery = (query: NonNullable<Route['shape']['query']>, schemas: Schemas): readonly Json[] =>
  Object.entries(query.shape).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !schema.safeParse(undefined).success,
    schema: schemasInto(schemas, schema, 'input'),
  }));

/** `list-jobs` is listJobs, unless the route has a name of its own beside others of its verb. */
const nameOf = ({ verb, shape }: Route): string =>
  shape.name ?? verb.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** The first part of its path below the instance, such as `jobs`. */
const tagOf = ({ url }: Route): string => /\/instances\/:instance\/([^/]+)/.exec(url)?.[1] ?? 'farm';

const checkNames = (names: readonly string[]): void => {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`two routes are called ${twice}: give one of them a name of its own`);
};
