// Writes docs/reference/openapi.json from the routes of the HTTP door, and asyncapi.json from what farm events there are; tests
// assert that the files are current.
import { writeFileSync } from 'node:fs';
import fastify from 'fastify';
import { defaultLimits } from '../src/core/limits.ts';
import { asyncApi } from '../src/fronts/rest/asyncapi.ts';
import { openApi } from '../src/fronts/rest/openapi.ts';
import { addRoutes } from '../src/fronts/rest/serve-http.ts';

/** Routes are only listed here, never called: a farm that has limits is enough of one. */
const home = { limits: defaultLimits };
const closing = new AbortController().signal;
const routes = await addRoutes(fastify(), { home, closing, admission: {}, metrics: {}, ready: () => undefined });

const write = (name, document) =>
  writeFileSync(new URL(`../docs/reference/${name}`, import.meta.url), `${JSON.stringify(document, null, 2)}\n`);

write('openapi.json', openApi(routes));
write('asyncapi.json', asyncApi());
