/** The one place that constructs and connects: a replica of the farm, from its configuration. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import packageJson from '../package.json' with { type: 'json' };
import { Pump } from './bridge/pump.ts';
import { createShopfloorClient } from './bridge/shopfloor-client.ts';
import { type Config, linesOf } from './config.ts';
import { CannotStart } from './core/cannot-start.ts';
import { hasShopfloor, type Line } from './core/line.ts';
import type { FarmSeams } from './farm/farm.ts';
import { Gatekeeper } from './farm/gatekeeper.ts';
import type { Home } from './farm/home.ts';
import { openHome } from './farm/open-home.ts';
import { GAUGES_EVERY_TICKS, readGauges } from './farm/read-gauges.ts';
import { leaveFarm, stopHome } from './farm/stop-home.ts';
import { Ticker } from './farm/ticker.ts';
import { createWakeHub, type WakeHub } from './farm/wake-hub.ts';
import { serveGrpc } from './fronts/grpc/serve-grpc.ts';
import { serveHttp } from './fronts/rest/serve-http.ts';
import { createLog, type Log } from './log.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { processClock } from './process-clock.ts';
import { startEmbeddedPostgres } from './store/embedded-postgres.ts';
import type { TickAnswer } from './store/tick.ts';
import { migrate } from './store/migrate.ts';
import { checkServer, createPool } from './store/pool.ts';

/** As package.json has it; shown by the metrics and the bot's own door. */
const VERSION = packageJson.version;

export type Serving = {
  readonly grpcAddress: string;
  readonly httpAddress: string;
  /** Resolves when the replica has stopped in good order. */
  readonly stopped: Promise<void>;
};

/**
 * Serves until the signal aborts.
 * @throws CannotStart (exit 78) when the configuration, the machine or the database must be changed first.
 */
export const serve = async (config: Config, { signal }: { readonly signal: AbortSignal }): Promise<Serving> => {
  const log = createLog(config.log);
  // A log whose reader has died must not take the farm with it.
  process.stderr.on('error', () => undefined);
  const undo: (() => Promise<void>)[] = [];
  try {
    const database = await openDatabase(config, log, undo);
    const farm = await openFarm(config, log, { ...database, undo });
    const doors = await openDoors(config, farm, undo);
    log.info({ ...doors, replica: farm.home.replica }, 'the farm serves');
    return { ...doors, stopped: stopOn(signal, log, undo) };
  } catch (error) {
    await unwind(log, undo);
    throw error;
  }
};

/** Everything that was opened closes in the reverse order. */
const stopOn = async (signal: AbortSignal, log: Log, undo: readonly (() => Promise<void>)[]): Promise<void> => {
  if (!signal.aborted) {
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
  log.info({}, 'the farm stops: no new work, parked polls are answered');
  await unwind(log, undo);
  log.info({}, 'the farm has stopped');
};

const unwind = async (log: Log, undo: readonly (() => Promise<void>)[]): Promise<void> => {
  for (const step of undo.toReversed()) {
    await step().catch((error: unknown) => {
      log.warn({ err: error }, 'a part of the farm did not stop in good order');
    });
  }
};

type Database = { readonly url: string; readonly pool: pg.Pool };

const openDatabase = async (config: Config, log: Log, undo: (() => Promise<void>)[]): Promise<Database> => {
  const at = await locate(config, log, undo);
  await inOneSession(at.ownerUrl, (owner) => migrate(owner, at.migrateOptions));
  const { poolMax, connectMs, statementMs, lockMs, idleInTransactionMs } = config.limits.postgres;
  const limits = { connectionsMax: poolMax, connectMs, statementMs, lockMs, idleInTransactionMs };
  const pool = createPool(at.url, limits, (error) => {
    log.warn({ err: error }, 'a connection to the database was lost');
  });
  undo.push(() => pool.end());
  await checkServer(pool);
  return { url: at.url, pool };
};

type Located = {
  readonly url: string;
  readonly ownerUrl: string;
  readonly migrateOptions: { readonly applicationRole?: string };
};

/** The server that the configuration names, or one of our own in the data directory. */
const locate = async (config: Config, log: Log, undo: (() => Promise<void>)[]): Promise<Located> => {
  const { databaseUrl } = config;
  if (databaseUrl !== null) return { url: databaseUrl, ownerUrl: databaseUrl, migrateOptions: {} };
  const embedded = await startEmbeddedPostgres({ dataDir: config.data, log, clock: processClock, newId: randomUUID });
  undo.push(() => embedded.stop());
  const { url, ownerUrl, applicationRole } = embedded;
  return { url, ownerUrl, migrateOptions: { applicationRole } };
};

const inOneSession = async (url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> => {
  const client = new pg.Client({ connectionString: url, application_name: 'stationgrid migrate' });
  await client.connect().catch((cause: unknown) => {
    throw new CannotStart(
      `No PostgreSQL lets the farm in: ${cause instanceof Error ? cause.message : String(cause)}. ` +
        'Start it, or mend the URL given with --database (databaseUrl in the configuration).',
      { cause },
    );
  });
  try {
    await work(client);
  } finally {
    await client.end();
  }
};

type OpenFarm = { readonly home: Home; readonly metrics: Metrics };

const openFarm = async (
  config: Config,
  log: Log,
  given: Database & { readonly undo: (() => Promise<void>)[] },
): Promise<OpenFarm> => {
  const { pool, url, undo } = given;
  const lineOf = linesOf(config);
  const lines = config.lines.flatMap(({ instance }) => lineOf(instance) ?? []);
  const { propertyLabels } = config.metrics;
  const metrics = createMetrics({ version: VERSION, lines, propertyLabels, pool });
  undo.push(() => {
    metrics.close();
    return Promise.resolve();
  });
  const seams: FarmSeams = {
    replica: randomUUID(),
    pool,
    clock: processClock,
    newId: randomUUID,
    random: Math.random,
    limits: config.limits,
    lineOf,
    log,
    witness: metrics.witness,
  };
  let ticker: Ticker | null = null;
  const hub = openHub(seams, url, () => {
    metrics.witness.missedNotify();
    ticker?.soon();
  });
  const home = openHome({ ...seams, wake: hub.wake, onWake: hub.onWake });
  const pump = new Pump({
    farm: home,
    createClient: (shopfloorUrl) =>
      createShopfloorClient({
        url: shopfloorUrl,
        clock: processClock,
        callTimeoutMs: config.limits.calls.timeoutMs,
        bodyMaxBytes: config.limits.calls.bodyBytesMax,
      }),
  });
  const gatekeeper = new Gatekeeper(home);
  const showTick = createTickShow(metrics.gauges, { home, pump, lines });
  ticker = new Ticker(home, (answer) => {
    hub.setReplicas(answer.replicas);
    showTick(answer);
  });
  undo.push(() => leaveFarm(home));
  await ticker.start();
  const started = ticker;
  undo.push(() => started.stop());
  hub.start();
  undo.push(() => hub.stop());
  pump.start();
  undo.push(() => pump.stop());
  if (lines.some(hasGate)) {
    gatekeeper.start();
    undo.push(() => gatekeeper.stop());
  }
  return { home, metrics };
};

const hasGate = ({ stations, anyStation }: Line): boolean =>
  [...stations.values(), anyStation].some(({ mode }) => mode === 'gate');

/** What a tick has learnt becomes gauges; the farm-wide ones are read at every few ticks, one read at a time. */
const createTickShow = (
  gauges: Metrics['gauges'],
  shown: { readonly home: Home; readonly pump: Pump; readonly lines: readonly Line[] },
): ((answer: TickAnswer) => void) => {
  const { home, pump, lines } = shown;
  const instances = lines.map(({ instance }) => instance);
  let ticks = 0;
  let reading = false;
  const read = async (): Promise<void> => {
    reading = true;
    try {
      gauges.farm(await readGauges(home, instances));
    } catch (error) {
      home.log.warn({ err: error }, 'the gauges of the farm could not be read; they keep their last values');
    }
    reading = false;
  };
  return (answer) => {
    gauges.answered(answer, processClock.now());
    gauges.sessions(home.sessions);
    const breakers = new Map(pump.state().map(({ url, breaker }) => [url, breaker]));
    gauges.breakers(
      lines.filter(hasShopfloor).map(({ instance, shopfloorUrl }) => ({
        instance,
        state: breakers.get(shopfloorUrl) ?? 'closed',
      })),
    );
    if (ticks % GAUGES_EVERY_TICKS === 0 && !reading) void read();
    ticks += 1;
  };
};

const openHub = (seams: FarmSeams, url: string, missed: () => void): WakeHub =>
  createWakeHub({
    replica: seams.replica,
    db: seams.pool,
    url,
    clock: seams.clock,
    log: seams.log,
    connectMs: seams.limits.postgres.connectMs,
    noticesPerSecondMax: seams.limits.replica.wakesPerSecondMax,
    missed,
  });

const openDoors = async (
  config: Config,
  { home, metrics }: OpenFarm,
  undo: (() => Promise<void>)[],
): Promise<Omit<Serving, 'stopped'>> => {
  const grpc = await serveGrpc({
    home,
    bots: config.bots,
    address: config.doors.grpc,
    metrics: metrics.grpc,
  });
  // Of what is undone, this comes before the loops and the pool: polls are answered while there is still a database.
  undo.push(async () => {
    grpc.setServing(false);
    await stopHome(home);
    await grpc.stop();
  });
  const http = await serveHttp({
    home,
    address: config.doors.http,
    metrics: { contentType: metrics.contentType, text: metrics.text },
    ready: () => ready(home),
  });
  undo.push(() => http.stop());
  grpc.setServing(true);
  return { grpcAddress: grpc.address, httpAddress: http.address };
};

/** Ready: not leaving, and the database answers. */
const ready = async (home: Home): Promise<{ readonly ok: boolean; readonly why: string }> => {
  if (home.stopping) return { ok: false, why: 'the replica is shutting down' };
  try {
    await home.pool.query('select');
    return { ok: true, why: '' };
  } catch (error) {
    return {
      ok: false,
      why: `the database does not answer: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
};
