/** The HTTP door: JSON bodies and query strings of every route, and HTTP/1 that is none. */
import http from 'node:http';
import type { Prng } from '../../sim/prng.ts';
import type { Input, Told } from '../input.ts';
import { mutated, mutatedJson, oddJson, oddText } from '../mutate.ts';
import { rawExchange } from '../raw-socket.ts';
import { LINE, type Site, STATION } from '../site.ts';
import type { Target } from '../target.ts';

type Route = {
  readonly method: string;
  /** Under the instance; `{…}` is drawn. */
  readonly path: string;
  readonly query?: Readonly<Record<string, readonly string[]>>;
  readonly body?: unknown;
};

const reason = { reason: 'tried by chance' };
const page = { pageSize: ['1', '0'], pageToken: [''] };
const job = {
  requestId: null,
  station: STATION,
  work: {
    tests: [{ testId: 'FAT.volts', command: { argv: ['true'], env: { A: 'b' } }, args: { limit: 5 }, timeout: '90s' }],
  },
  serials: { 'serials.mlb_serial_number': 'R-1' },
  constraints: [{ key: 'pool', allowedValues: ['smt'] }],
  priority: 3,
  route: 'r',
  onFailed: 'continue',
  queueTimeout: '1h',
};
const result = {
  testId: 'FAT.volts',
  status: 'PASSED',
  measurements: [{ name: 'v', value: 5.1, unit: 'V', min: 4.9, max: 5.2, verdict: 'PASSED' }],
  attachments: [{ name: 'log', sizeBytes: 5, sha256: 'a'.repeat(64) }],
  startedAt: '2026-01-01T00:00:00Z',
  duration: '3s',
};
const UUID = '00000000-0000-4000-8000-000000000001';

/** docs/reference/protocols.md, JSON over HTTP; a test holds the two against each other. */
export const routes: readonly Route[] = [
  {
    method: 'GET',
    path: '/jobs',
    query: { state: ['QUEUED', 'LEASED,FAILED'], station: [STATION], serial: ['R-1'], route: ['r'], ...page },
  },
  { method: 'POST', path: '/jobs', body: job },
  {
    method: 'POST',
    path: '/jobs',
    body: { jobs: [job, { ...job, station: '', work: undefined, payload: { typeUrl: 'x/y', value: 'AAAA' } }] },
  },
  { method: 'GET', path: '/jobs/{id}' },
  { method: 'GET', path: '/jobs/{id}/watch', query: { cursor: [''] } },
  {
    method: 'GET',
    path: '/events',
    query: { kind: ['JOB_FINISHED', 'JOB_HELD,BOT_EVENT'], jobId: ['1'], botId: ['fuzz-bot'], cursor: [''] },
  },
  { method: 'GET', path: '/jobs/{id}/why' },
  { method: 'POST', path: '/jobs/{id}/cancel', body: reason },
  { method: 'POST', path: '/jobs/{id}/gate/retry', body: reason },
  { method: 'POST', path: '/jobs/{id}/gate/override', body: reason },
  { method: 'GET', path: '/jobs/{id}/results' },
  { method: 'POST', path: '/jobs/{id}/notes', body: { note: 'tried by chance' } },
  { method: 'POST', path: '/results', body: { session: `${LINE}/${UUID}`, leaseId: UUID, results: [result] } },
  { method: 'GET', path: '/quarantined-events', query: page },
  { method: 'GET', path: '/parameters', query: page },
  { method: 'GET', path: '/parameters/{parameter}' },
  {
    method: 'POST',
    path: '/parameters/{parameter}/versions',
    query: { note: ['n'], sha256: ['a'.repeat(64)] },
    body: {},
  },
  { method: 'POST', path: '/parameters/{parameter}/activate', body: { version: 1, ...reason } },
  { method: 'POST', path: '/parameters/{parameter}/roll-back', body: reason },
  { method: 'GET', path: '/bots', query: { pattern: ['*'], connected: ['true'], ...page } },
  { method: 'GET', path: '/bots/{bot}' },
  { method: 'POST', path: '/bots/{bot}/quarantine', body: reason },
  { method: 'POST', path: '/bots/{bot}/release', body: reason },
  { method: 'GET', path: '/drains' },
  { method: 'POST', path: '/drains', body: { pattern: 'nobody-*', note: 'n', expiresIn: '5min' } },
  { method: 'DELETE', path: '/drains/{bot}' },
  { method: 'GET', path: '/devices', query: { serial: ['R-1'], name: ['serials.mlb_serial_number'] } },
  { method: 'GET', path: '/devices/{id}' },
  { method: 'POST', path: '/devices/{id}/release', body: reason },
  { method: 'GET', path: '/units/{serial}', query: { name: ['serials.mlb_serial_number'], ...page } },
  { method: 'GET', path: '/units/{serial}/stations/{station}', query: { name: ['serials.mlb_serial_number'] } },
  { method: 'GET', path: '/calls', query: { state: ['DEAD'], serial: ['R-1'], jobId: ['1'], ...page } },
  { method: 'GET', path: '/calls/{call}' },
  { method: 'POST', path: '/calls/{call}/retry', body: {} },
  { method: 'POST', path: '/calls/{call}/skip', body: reason },
  { method: 'GET', path: '/lanes', query: { blocked: ['true'], ...page } },
  { method: 'GET', path: '/bridge/reconciliation', query: page },
  { method: 'POST', path: '/bridge/resume', body: reason },
];

const drawn = (prng: Prng, share: number): Readonly<Record<string, string>> => ({
  '{id}': prng.chance(share) ? oddText(prng) : String(prng.int(0, 12)),
  '{bot}': prng.chance(share) ? oddText(prng) : 'fuzz-bot',
  '{call}': prng.chance(share) ? oddText(prng) : UUID,
  '{parameter}': prng.chance(share) ? oddText(prng) : 'fw/board.conf',
  '{serial}': prng.chance(share) ? oddText(prng) : 'R-1',
  '{station}': prng.chance(share) ? oddText(prng) : STATION,
});

/** A path has no bytes of its own beyond these; what else is meant is escaped, rightly or not. */
const escaped = (prng: Prng, text: string): string =>
  prng.chance(0.9)
    ? encodeURIComponent(text.toWellFormed())
    : Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('') +
      prng.pick(['', '%', '%zz', '%ff', '%c0%80']);

const pathOf = (prng: Prng, { path, query }: Route, share: number): string => {
  const instance = prng.chance(share) ? escaped(prng, oddText(prng)) : prng.pick([LINE, LINE, '-']);
  const filled = Object.entries(drawn(prng, share)).reduce(
    (text, [name, value]) => text.replace(name, escaped(prng, value)),
    path,
  );
  const pairs = Object.entries(query ?? {}).flatMap(([key, values]) =>
    prng.chance(0.4) ? [] : [`${key}=${escaped(prng, prng.chance(share) ? oddText(prng) : prng.pick(values))}`],
  );
  if (prng.chance(share))
    pairs.push(prng.pick(['x=1', 'state=QUEUED&state=', '__proto__=1', 'pageSize[]=1', '=', '&&', 'a'.repeat(3000)]));
  return `/api/v1/instances/${instance}${filled}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`;
};

const make = (prng: Prng): Input => {
  const route = prng.pick(routes);
  const share = prng.pick([0.03, 0.15, 0.5]);
  const { method } = prng.chance(0.02) ? { method: prng.pick(['PUT', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE']) } : route;
  const value = route.body === undefined ? undefined : prng.chance(0.1) ? oddJson(prng) : mutatedJson(prng, route.body);
  const json = value === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(value) ?? '');
  const body = prng.chance(0.2) ? mutated(prng, json) : json;
  const path = pathOf(prng, route, share);
  const type = prng.chance(0.03)
    ? prng.pick(['text/plain', 'application/xml', 'application/json; charset=utf-16', ''])
    : 'application/json';
  return { what: `${method} ${route.path} with ${String(body.length)} bytes`, head: { method, path, type }, body };
};

type Answer = { readonly status: number; readonly type: string; readonly text: string };
const PATIENCE_MS = 30_000;

const ask = (site: Site, { head, body }: Pick<Input, 'head' | 'body'>): Promise<Answer | Error> =>
  new Promise((resolve) => {
    const isWatch = /\/(watch|events)(\?|$)/.test(head['path'] ?? '');
    const request = http.request({
      port: site.httpPort,
      host: '127.0.0.1',
      method: head['method'] ?? 'GET',
      path: head['path'] ?? '/',
      agent: false,
      timeout: PATIENCE_MS,
      headers:
        body.length === 0
          ? {}
          : { 'content-length': body.length, ...(head['type'] === '' ? {} : { 'content-type': head['type'] }) },
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', resolve);
    request.on('response', (response) => {
      const done = (text: string): void =>
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text });
      let text = '';
      // A watch goes on until the job ends, and events for ever; that it has begun is enough.
      if (isWatch && response.statusCode === 200) request.destroy();
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response
        .on('end', () => done(text))
        .on('close', () => done(text))
        .on('error', () => done(text));
    });
    request.end(body.length === 0 ? undefined : body);
  });

const send = async (site: Site, input: Input): Promise<Told> => {
  const answer = await ask(site, input);
  if (answer instanceof Error) {
    // A body that is too long is not read to its end: the connection closes on whoever goes on writing.
    // What is no HTTP is answered with words, also to HEAD: nobody could read the method.
    const isNobodys = input.body.length > 1024 * 1024 || input.head['method'] === 'HEAD';
    const wrong = isNobodys ? null : `no answer: ${answer.message}`;
    return { refused: true, wrong, answer: answer.message };
  }
  const { status, text } = answer;
  const said = `HTTP ${String(status)} ${text.slice(0, 300)}`;
  return { refused: status >= 400, wrong: problemWith(answer, input.head['method'] ?? ''), answer: said };
};

const INSIDES = /internal error|TypeError|RangeError|\[object |^\s*at .*\.[jt]s:|node_modules|FST_/m;

const problemWith = ({ status, type, text }: Answer, method: string): string | null => {
  const said = `HTTP ${String(status)} ${text.slice(0, 300)}`;
  if (status >= 200 && status < 300) return null;
  if (status < 400 || status >= 500) return `it was answered ${said}`;
  if (method === 'HEAD') return null;
  if (!type.startsWith('application/problem+json')) return `it was refused without a problem: ${type}: ${said}`;
  const { detail = '' } = JSON.parse(text) as { readonly detail?: string };
  if (detail.split(' ').length < 5 || INSIDES.test(detail)) return `its words teach nothing: ${JSON.stringify(detail)}`;
  return null;
};

const next = async (site: Site): Promise<string | null> => {
  const answer = await ask(site, {
    head: { method: 'GET', path: `/api/v1/instances/${LINE}/drains` },
    body: Buffer.alloc(0),
  });
  if (!(answer instanceof Error) && answer.status === 200) return null;
  return `the next good request was answered ${answer instanceof Error ? answer.message : String(answer.status)}`;
};

export const rest: Target = {
  name: 'rest',
  says: 'JSON bodies and queries of every HTTP route',
  under: 'farm',
  make,
  send,
  next,
};

const base = `/api/v1/instances/${LINE}/jobs`;
const small = JSON.stringify(job);
const RAW = [
  `GET ${base} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  `POST ${base} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${String(small.length)}\r\n\r\n${small.slice(0, -1)}`,
  `POST ${base} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\nffffffffffffffff\r\n`,
  `POST ${base} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
  `POST ${base} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n{"a"}`,
  `POST ${base} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n`,
  `GET / HTTP/1.1\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: localhost\r\n${'X: y\r\n'.repeat(3000)}\r\n`,
  `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  `GET ${base}?${'state=QUEUED&'.repeat(900)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  `GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: ${'text/*;q=0.1,'.repeat(900)}\r\n\r\n`,
  `CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
  `GET / HTTP/0.9\r\n\r\n`,
  `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
  'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(200),
  `GET /livez HTTP/1.1\r\nHost: localhost\r\n a: folded\r\nb : spaced\r\n\r\n`,
  `GET\t/livez\tHTTP/1.1\nHost: localhost\n\n`,
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
];

const makeRaw = (prng: Prng): Input => {
  const whole = Buffer.from(prng.pick(RAW), 'latin1');
  const two = prng.chance(0.1) ? Buffer.concat([whole, Buffer.from(prng.pick(RAW), 'latin1')]) : whole;
  const body = prng.chance(0.6) ? mutated(prng, two) : two;
  return { what: `HTTP/1 of ${String(body.length)} bytes`, head: { end: prng.pick(['half', 'half', 'cut']) }, body };
};

const RAW_PATIENCE_MS = 20_000;

const sendRaw = async (site: Site, { head, body }: Input): Promise<Told> => {
  const { bytes, how } = await rawExchange(site.httpPort, body, {
    end: head['end'] ?? 'half',
    patienceMs: RAW_PATIENCE_MS,
  });
  const statuses = [...bytes.toString('latin1').matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
  const worst = statuses.find((status) => status >= 500 && status !== 501 && status !== 505);
  const wrong =
    worst !== undefined
      ? `it was answered HTTP ${String(worst)}`
      : how === 'left open'
        ? 'the connection was left open'
        : null;
  const refused = !statuses.some((status) => status >= 200 && status < 300);
  return { refused, wrong, answer: `${String(statuses[0] ?? 'nothing')}, then ${how}` };
};

export const httpRaw: Target = {
  name: 'http',
  says: 'raw HTTP/1 on the HTTP port',
  under: 'farm',
  make: makeRaw,
  send: sendRaw,
  next,
};
