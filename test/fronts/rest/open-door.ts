/**
 * The HTTP door of a whole farm on a real database, and a client of it that sends anything. Whatever the door answers
 * must be as it describes itself, or the sending fails.
 */
import http from 'node:http';
import type { Clock } from '../../../src/core/clock.ts';
import type { Limits } from '../../../src/core/limits.ts';
import type { Line } from '../../../src/core/line.ts';
import type { Home } from '../../../src/farm/home.ts';
import type { Identify } from '../../../src/farm/identify.ts';
import { openHome } from '../../../src/farm/open-home.ts';
import { stopHome } from '../../../src/farm/stop-home.ts';
import type { Route } from '../../../src/fronts/rest/admit-requests.ts';
import type { HttpDoor } from '../../../src/fronts/rest/http-app.ts';
import type { ParameterDepot } from '../../../src/fronts/rest/parameters.ts';
import { openApi } from '../../../src/fronts/rest/openapi.ts';
import { serveHttp } from '../../../src/fronts/rest/serve-http.ts';
import { type FreshDatabase, freshDatabase } from '../../support/database.ts';
import { openAdmission } from '../../support/admission.ts';
import { plainEntrance } from '../../support/plain-entrance.ts';
import { createTestFarm, type TestFarm } from '../../support/farm.ts';
import { type HeldDoor, holdTo, type OpenApi } from './hold-to-openapi.ts';

type Row = Readonly<Record<string, unknown>>;
/** What tests read by name; the rest they compare. */
export type Json = Row & { readonly id: number; readonly detail: string; readonly nextPageToken: string };

export type Answer = {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** Of a JSON body; an empty object: it is none. */
  readonly json: Json;
};

export type TestDoor = {
  readonly database: FreshDatabase;
  readonly farm: TestFarm;
  readonly home: Home;
  readonly door: HttpDoor;
  readonly routes: readonly Route[];
  /** Operations of its description that were answered well so far. */
  readonly answered: ReadonlySet<string>;
  /** For what was not sent by `send`. */
  readonly held: HeldDoor;
  readonly logged: { readonly level: string; readonly facts: object }[];
  readonly setReady: (why: string) => void;
  readonly send: (
    method: string,
    path: string,
    options?: { readonly body?: unknown; readonly headers?: http.OutgoingHttpHeaders },
  ) => Promise<Answer>;
  readonly close: () => Promise<void>;
};

export async function openDoor(
  options: {
    readonly lines?: readonly Line[];
    readonly limits?: { readonly [Group in keyof Limits]?: Partial<Limits[Group]> };
    readonly clock?: Clock;
    /** Nobody is asked for credentials unless this says so. */
    readonly identify?: Identify;
    /** Is told what the audit is told. */
    readonly told?: string[];
    /** One of its own, by default. */
    readonly database?: FreshDatabase;
    /** None by default: there is no factory door. */
    readonly parameters?: ParameterDepot;
  } = {},
): Promise<TestDoor> {
  const database = options.database ?? (await freshDatabase());
  const logged: { level: string; facts: object }[] = [];
  const say = (level: string) => (facts: object) => void logged.push({ level, facts });
  const farm: TestFarm = {
    ...createTestFarm({ ...options, database }),
    log: { info: say('info'), warn: say('warn'), error: say('error') },
  };
  const home = openHome(farm);
  let notReady = '';
  const door = await serveHttp({
    home,
    address: { host: '127.0.0.1', port: 0 },
    entrance: plainEntrance(farm.limits.doors),
    names: [],
    metrics: {
      contentType: (accept) => (accept === 'application/openmetrics-text' ? accept : 'text/plain; version=0.0.4'),
      text: (accept) => Promise.resolve(`# for ${accept ?? 'anybody'}\n`),
    },
    admission: openAdmission(home, options),
    ready: () => Promise.resolve({ ok: notReady === '', why: notReady }),
    parameters: options.parameters ?? null,
    doors: [{ name: 'grpc', at: '127.0.0.1:50051', what: 'for bots & schedulers' }],
  });
  const held = holdTo(JSON.parse(JSON.stringify(openApi(door.routes))) as OpenApi);
  return {
    database,
    farm,
    home,
    door,
    routes: door.routes,
    answered: held.answered,
    logged,
    setReady: (why) => {
      notReady = why;
    },
    held,
    send: async (method, path, { body, headers = {} } = {}) => {
      const answer = await send(door.port, method, path, body, headers);
      checkHeld(held, { method, path, body }, answer);
      return answer;
    },
    close: async () => {
      await stopHome(home);
      await door.stop();
      if (options.database === undefined) await database.drop();
    },
  };
}

const checkHeld = (
  held: HeldDoor,
  { method, path, body }: { readonly method: string; readonly path: string; readonly body: unknown },
  { status, headers, text }: Answer,
): void => {
  const sent = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  const wrong = held.wrongIn({ method, path, sent, status, type: headers['content-type'] ?? '', text });
  if (wrong.length > 0) throw new Error(`not as the door describes itself: ${wrong.join('; ')}`);
};

/** The members of a list in an answer. */
export const rowsOf = ({ json }: Answer, list: string): readonly Row[] => json[list] as readonly Row[];

/** A body that is text, or bytes, goes as it is; anything else as JSON. */
const send = (
  port: number,
  method: string,
  path: string,
  body: unknown,
  headers: http.OutgoingHttpHeaders,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const bytes =
      body === undefined ? null : typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body);
    const kind =
      bytes === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) };
    const request = http.request({
      port,
      host: '127.0.0.1',
      method,
      path,
      headers: { ...kind, ...headers },
      agent: false,
    });
    request.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => {
        const isJson =
          /json/.test(response.headers['content-type'] ?? '') && !/ndjson/.test(response.headers['content-type'] ?? '');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: (isJson && text !== '' ? JSON.parse(text) : {}) as Json,
        });
      });
    });
    request.end(bytes ?? undefined);
  });
