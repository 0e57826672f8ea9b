/** The factory door of a farm on a real database and a real folder, and clients of it. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAsker } from '../../../src/bridge/ask-shopfloor.ts';
import { Pump } from '../../../src/bridge/pump.ts';
import { createShopfloorClient } from '../../../src/bridge/shopfloor-client.ts';
import type { Farm } from '../../../src/farm/farm.ts';
import type { Clock } from '../../../src/core/clock.ts';
import type { Limits } from '../../../src/core/limits.ts';
import { type FactoryDoor, type FactoryOptions, serveFactory } from '../../../src/fronts/factory/serve-factory.ts';
import { type Depot, openDepot } from '../../../src/uploads/depot.ts';
import { decodeResponse, encodeCall, type XmlRpcValue } from '../../../src/wire/xml-rpc.ts';
import { openAdmission } from '../../support/admission.ts';
import { type FreshDatabase, freshDatabase } from '../../support/database.ts';
import { createTestFarm, testLine, testRule } from '../../support/farm.ts';
import { plainEntrance } from '../../support/plain-entrance.ts';

export type TestFactory = {
  readonly farm: Farm;
  readonly database: FreshDatabase;
  readonly door: FactoryDoor;
  readonly depot: Depot;
  readonly folder: string;
  readonly url: string;
  readonly counted: string[];
  readonly logged: { readonly level: string; readonly facts: object; readonly sentence: string }[];
  readonly call: (method: string, ...params: XmlRpcValue[]) => Promise<ReturnType<typeof decodeResponse>>;
  readonly post: (body: string | Buffer, path?: string, headers?: Record<string, string>) => Promise<Response>;
  /** Every file below a folder of the depot, with what it holds. */
  readonly files: (under: string) => ReadonlyMap<string, string>;
  readonly rows: () => Promise<readonly Row[]>;
  readonly close: () => Promise<void>;
};

export type Row = {
  readonly kind: string;
  readonly path: string;
  readonly starts_at: number | null;
  readonly bytes: number;
  readonly sha256: string;
  readonly serial: string | null;
  readonly stage: string | null;
  readonly report_name: string | null;
  readonly peer: string;
  readonly adopted: boolean;
};

export async function openFactory(
  options: {
    readonly limits?: { readonly [Group in keyof Limits]?: Partial<Limits[Group]> };
    readonly clock?: Clock;
    readonly folder?: string;
    readonly database?: FreshDatabase;
    /** Where the line's shopfloor is; none by default. */
    readonly shopfloorUrl?: string;
    readonly stations?: readonly string[];
  } & Partial<Pick<FactoryOptions, 'project' | 'logPort' | 'names' | 'messageLevel' | 'unanswered'>> = {},
): Promise<TestFactory> {
  const database = options.database ?? (await freshDatabase());
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-factory-`));
  const logged: { level: string; facts: object; sentence: string }[] = [];
  const counted: string[] = [];
  const say = (level: string) => (facts: object, sentence: string) => void logged.push({ level, facts, sentence });
  const log = { info: say('info'), warn: say('warn'), error: say('error') };
  const { limits = {}, clock } = options;
  const uploads = { freeBytesMin: 1, ...limits.uploads };
  const { shopfloorUrl = null, stations = [] } = options;
  const rules = new Map(stations.map((station) => [station, testRule({ station })]));
  const lines = [testLine({ shopfloorUrl, stations: rules })];
  const farm = {
    ...createTestFarm({ database, lines, limits: { ...limits, uploads }, ...(clock === undefined ? {} : { clock }) }),
    log,
  };
  const clientFor = (callTimeoutMs: number) => (to: string) =>
    createShopfloorClient({ url: to, clock: farm.clock, callTimeoutMs });
  const asker = createAsker(farm, clientFor(farm.limits.external.answerMs));
  const pump = new Pump({ farm, createClient: clientFor(farm.limits.calls.timeoutMs) });
  if (shopfloorUrl !== null) pump.start();
  const depot = await openDepot({
    root: folder,
    limits: farm.limits.uploads,
    clock: farm.clock,
    newId: randomUUID,
    log,
  });
  const door = await serveFactory({
    farm,
    admission: openAdmission(farm),
    entrance: plainEntrance(farm.limits.doors),
    names: options.names ?? [],
    address: { host: '127.0.0.1', port: 0 },
    depot,
    counts: {
      called: ({ method, outcome }) => void counted.push(`${method} ${outcome}`),
      told: (fate, events) => {
        if (events > 0) counted.push(`testlog ${fate} ${events}`);
      },
      uploaded: (kind, fate, bytes) => void counted.push(`${kind} ${fate} ${bytes}`),
    },
    project: options.project ?? null,
    instance: 'line-1',
    unanswered: options.unanswered ?? 'queue',
    ask: asker.ask,
    logPort: options.logPort ?? null,
    messageLevel: options.messageLevel ?? 'DEBUG',
    scheme: 'http',
  });
  const url = `http://${door.address}`;
  const post: TestFactory['post'] = (body, path = '/', headers = {}) =>
    fetch(url + path, {
      method: 'POST',
      body: typeof body === 'string' ? body : new Uint8Array(body),
      headers: { 'content-type': 'text/xml', ...headers },
    });
  return {
    farm,
    database,
    door,
    depot,
    folder,
    url,
    counted,
    logged,
    post,
    call: async (method, ...params) => {
      const response = await post(encodeCall(method, params));
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
      return decodeResponse(Buffer.from(await response.arrayBuffer()), {
        bodyMaxBytes: 1e9,
        depthMax: 32,
        nodesMax: 1e6,
      });
    },
    files: (under) => filesBelow(folder, under),
    rows: async () => {
      const { rows } = await database.pool.query<Row>(
        `select kind, path, starts_at::int, bytes::int, encode(sha256, 'hex') as sha256, serial, stage, report_name, peer,
           adopted from uploads order by number`,
      );
      return rows;
    },
    close: async () => {
      await door.stop();
      await pump.stop();
      asker.close();
      if (options.database === undefined) await database.drop();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function filesBelow(folder: string, under: string): ReadonlyMap<string, string> {
  if (!existsSync(join(folder, under))) return new Map();
  return new Map(
    readdirSync(join(folder, under), { recursive: true, encoding: 'utf8' })
      .toSorted()
      .filter((name) => statSync(join(folder, under, name)).isFile())
      .map((name) => [name, readFileSync(join(folder, under, name), 'latin1')]),
  );
}

/** Runs a program of Python against the door; what it prints is JSON. */
export async function runPython(program: string, ...words: readonly string[]): Promise<unknown> {
  const child = spawn('python3', ['-c', program, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [said, complained] = ['', ''];
  child.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (complained += piece.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`python3 ended with ${String(code)}:\n${complained}`);
  return JSON.parse(said);
}
