// Writes docs/reference/authorisation.md from the table of rules and from what the doors serve. With --check it only says
// whether the page is current.
import { readFileSync, writeFileSync } from 'node:fs';
import fastify from 'fastify';
import { service as health } from 'grpc-health-check';
import { format, resolveConfig } from 'prettier';
import { rules } from '../src/core/authorisation.ts';
import { defaultLimits } from '../src/core/limits.ts';
import { ROLES } from '../src/core/principal.ts';
import { createMethods } from '../src/fronts/factory/methods.ts';
import { createServices } from '../src/fronts/grpc/services.ts';
import { foreignVerbs } from '../src/fronts/grpc/verbs.ts';
import { addRoutes } from '../src/fronts/rest/serve-http.ts';

const page = new URL('../docs/reference/authorisation.md', import.meta.url);

const preface = `# Who may do what

Generated from \`src/core/authorisation.ts\` and from what the doors serve; \`test/fronts/authorisation.test.ts\` tries every
row on real doors. Where credentials are asked of nobody, none of this is asked either.

A person or a program has **roles in instances**: \`viewer\`, \`submitter\`, \`operator\`, \`admin\`, each of which may do all that
those before it may, and \`bridge\`, for a partner's program that compares what its shopfloor was told. A role in \`*\` is one in
every instance. A bot has no role to choose: it is one \`bot_id\` in one instance, and may work under that alone.

- Without credentials, or with some that do not hold: UNAUTHENTICATED, HTTP 401.
- With credentials that do not do: PERMISSION_DENIED, HTTP 403, whether or not the instance exists.
- Another bot's session is answered as one that is not there: INVALID_ARGUMENT in gRPC, HTTP 404, the same words, the same work.
- A thing of another instance is answered as one that is not there.
- No role edits a test result. An operator may put a note beside it, which nobody edits either.

What is **audited** is on record before it is done. Denials are on record too, gathered by caller, verb and reason.

| Verb | Who | Audited | gRPC | HTTP | Factory Server |
| ---- | --- | ------- | ---- | ---- | -------------- |
`;

const mark = (text) => `\`${text}\``;

/** The roles that a rule names, as a reader says it. */
function whoOf({ of, roles }) {
  const atLeast = ['viewer', 'submitter', 'operator', 'admin'].find((role) => roles.includes(role));
  const others = roles.filter((role) => role === 'bridge');
  const named = [
    ...(atLeast === undefined ? [] : [atLeast === 'admin' ? atLeast : `${atLeast} or more`]),
    ...others,
  ].join(', ');
  switch (of) {
    case 'anybody':
      return 'anybody, without credentials';
    case 'known':
      return 'whoever has credentials';
    case 'own bot':
      return 'the bot itself';
    case 'any instance':
      return `${named}, in any instance`;
    case 'instance':
      return `${named}, in the instance`;
    default:
      throw new Error(`a rule of ${of}, which this page has no words for`);
  }
}

/** Handlers and routes are only listed here, never called: a farm that has limits is enough of one. */
const home = { limits: defaultLimits };
const closing = new AbortController().signal;
const ours = createServices({ home, bots: { recordBotEvents: true, echoPayload: 'pending-only' }, closing }).flatMap(
  ({ endpoints }) => endpoints.map(({ method, asking }) => [method.path, asking.verb]),
);
const methods = [...ours, ...Object.entries(foreignVerbs)];
const missing = Object.values(health).filter(({ path }) => !(path in foreignVerbs));
if (missing.length > 0) throw new Error(`no row for ${missing.map(({ path }) => path).join(', ')}`);

const routes = await addRoutes(fastify(), { home, closing, admission: {}, metrics: {}, ready: () => undefined });

const dutMethods = createMethods({ project: null, logPort: null });

const shortPath = (path) => mark(path.replace(/^\/(?:.*\.)?([^./]+\/[^/]+)$/, '$1'));
const shortRoute = ({ method, url }) => mark(`${method} ${url.replace('/api/v1/instances/:instance', '…')}`);

const rows = Object.entries(rules).map(([verb, rule]) => {
  const grpc = methods.filter(([, its]) => its === verb).map(([path]) => shortPath(path));
  const http = routes.filter((route) => route.verb === verb && route.method !== 'HEAD').map(shortRoute);
  const dut = [...dutMethods].filter(([, method]) => method.verb === verb).map(([name]) => mark(name));
  const doors = [[...new Set(grpc)], http, dut].map((served) => served.join(', '));
  const cells = [mark(verb), whoOf(rule), rule.audited ? 'yes' : '', ...doors];
  return `| ${cells.join(' | ')} |`;
});

const written = `${preface}${rows.join('\n')}

In the HTTP column \`…\` stands for \`/api/v1/instances/{instance}\`. A \`HEAD\` asks what its \`GET\` does. The roles are ${ROLES.map(mark).join(', ')}.
The door for operations (\`doors.ops\`) serves \`/livez\`, \`/readyz\` and \`/metrics\` without credentials.
`;

const text = await format(written, { ...(await resolveConfig(page)), parser: 'markdown' });

if (!process.argv.includes('--check')) writeFileSync(page, text);
else if (readFileSync(page, 'utf8') !== text) {
  process.stdout.write('docs/reference/authorisation.md is not what the table and the doors say\n');
  process.exitCode = 1;
}
