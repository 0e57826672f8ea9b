/**
 * The running things that are fuzzed: a farm with a PostgreSQL of its own, the reference shopfloor, and a host of what has no
 * door. Real processes, each under watch; the partner of the farm's line is in the hands of the run.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { socketUrl } from '../../src/store/embedded/connect.ts';
import { embeddedFolder, findSocketFolder } from '../../src/store/embedded/folder.ts';
import { DATABASE, OWNER_ROLE } from '../../src/store/embedded/found.ts';
import { stopPostmaster } from '../../src/store/embedded/postmaster.ts';
import { encodeResponse } from '../../src/wire/xml-rpc.ts';
import { startWatched, type Watched } from './watched.ts';

const COMMAND =
  process.env['STATIONGRID_TEST_COMMAND'] ?? fileURLToPath(new URL('../../src/cli/stationgrid.mjs', import.meta.url));
const HOST = fileURLToPath(new URL('./host.ts', import.meta.url));

export const LINE = 'line-1';
/** A station that is run at once, and one that asks the partner first. */
export const STATION = 'FAT';
export const GATED = 'FFT';
/** The words of a bot's event of which the partner is told. */
export const EVENT = 'Finalize';

/**
 * Held and paced things would take the run's time, nothing is to be given up because a partner lies all the time, and who
 * comes from here is not to be shut out: then nothing more would be tried.
 */
const SETTINGS = [
  'limits.doors.newPerSecondMax=1000000',
  'limits.doors.newBurst=1000000',
  'limits.doors.strayPerSecondMax=1000000',
  'limits.doors.strayBurst=1000000',
  'limits.session.ttl=1h',
  'limits.session.lostAfter=1h',
  'limits.poll.holdMax=50ms',
  'limits.poll.repliesPerSecondMax=1000000',
  'limits.lanes.backoffMin=1ms',
  'limits.lanes.backoffMax=2ms',
  'limits.lanes.faultsMax=1000000',
  'limits.lanes.poll=20ms',
  'limits.calls.timeout=1s',
  'limits.breaker.callsMin=1000000',
  'limits.breaker.refusedConnectionsMax=1000000',
];

export type Site = {
  readonly farm: Watched;
  readonly shopfloor: Watched;
  readonly host: Watched;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly factoryPort: number;
  readonly shopfloorPort: number;
  readonly hostPort: number;
  /** Answers the farm's calls from now on. */
  readonly partner: (answer: RequestListener) => void;
  readonly db: pg.Client;
  readonly close: () => Promise<void>;
};

/** What outlives the processes: they are started again on it when one of them has died. */
export type Ground = { readonly open: () => Promise<Site>; readonly remove: () => void };

export const layGround = (): Ground => {
  // Named so that a later run of the tests clears away what a killed one left behind.
  const folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${String(process.pid)}-fuzz-`));
  // For root, PostgreSQL runs as another user, who must get in.
  chmodSync(folder, 0o711);
  return {
    open: () => openSite(folder),
    remove: () => {
      stopPostmaster(embeddedFolder(folder));
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
};

const openSite = async (folder: string): Promise<Site> => {
  const partner = await openPartner();
  const config = join(folder, 'line.yaml');
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ lines: linesFor(partner.url) }));
  const settings = SETTINGS.flatMap((setting) => ['--set', setting]);
  const doors = [
    '--grpc',
    '127.0.0.1:0',
    '--http',
    '127.0.0.1:0',
    '--factory',
    '127.0.0.1:0',
    '--log-format',
    'json',
    '--log-level',
    'warn',
  ];
  const farm = startWatched('the farm', [
    COMMAND,
    'serve',
    '--config',
    config,
    '--data',
    folder,
    ...doors,
    ...settings,
  ]);
  const shopfloor = startWatched('the reference shopfloor', [COMMAND, 'shopfloor', '--port', '0']);
  const host = startWatched('the host', [HOST]);
  const port = async (of: Watched, pattern: RegExp): Promise<number> =>
    Number(/(\d+)\D*$/.exec(await of.said(pattern))?.[1]);
  const [grpcPort, httpPort, factoryPort, shopfloorPort] = [
    await port(farm, /^gRPC /),
    await port(farm, /^HTTP /),
    await port(farm, /^factory /),
    await port(shopfloor, /^http:/),
  ];
  const hostPort = await port(host, /^ready/);
  const db = await connect(folder);
  return {
    ...{ farm, shopfloor, host, grpcPort, httpPort, factoryPort, shopfloorPort, hostPort, db },
    partner: partner.answers,
    close: async () => {
      await db.end().catch(() => undefined);
      await Promise.all([farm.stop(), shopfloor.stop(), host.stop()]);
      partner.close();
    },
  };
};

const linesFor = (shopfloorUrl: string) => [
  {
    instance: LINE,
    shopfloor: { url: shopfloorUrl },
    stations: [{ name: STATION }, { name: GATED, mode: 'gate' }],
    events: { [EVENT]: EVENT },
    actions: { hold: 'hold', 're-run': 'rerun' },
  },
  { instance: '' },
];

/** A partner that has nothing to say against anything. */
export const content: RequestListener = (request, response) => {
  request.resume();
  response.writeHead(200, { 'content-type': 'text/xml' }).end(encodeResponse({}));
};

const openPartner = async () => {
  let answer: RequestListener = content;
  const server: Server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${String(port)}/`,
    answers: (listener: RequestListener) => {
      answer = listener;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

const connect = async (folder: string): Promise<pg.Client> => {
  const socketFolder = findSocketFolder(embeddedFolder(folder));
  if (socketFolder === null) throw new Error(`there is no PostgreSQL in ${folder}`);
  const db = new pg.Client(socketUrl(socketFolder, { user: OWNER_ROLE, database: DATABASE }));
  db.on('error', () => undefined);
  await db.connect();
  return db;
};

/** Who was refused, and how often, is kept on purpose, and gathered before it is written. */
const KEPT_OF_REFUSALS = /^audit/;

const statements = new WeakMap<pg.Client, string>();

/** Rows of each table, by name. Two of these that are equal: nothing was stored between. */
export const countRows = async (db: pg.Client): Promise<Readonly<Record<string, number>>> => {
  const statement = statements.get(db) ?? (await countStatement(db));
  statements.set(db, statement);
  const { rows } = await db.query<{ name: string; n: string }>(statement);
  return Object.fromEntries(rows.map(({ name, n }) => [name, Number(n)]));
};

const countStatement = async (db: pg.Client): Promise<string> => {
  const { rows } = await db.query<{ name: string }>(
    `select c.relname as name from pg_class c
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by c.relname`,
  );
  const counted = rows.map(({ name }) => name).filter((name) => !KEPT_OF_REFUSALS.test(name));
  return counted.map((name) => `select '${name}' as name, count(*) as n from "${name}"`).join(' union all ');
};
