/** The one place that constructs and connects: a replica of the farm, from its configuration. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import packageJson from '../package.json' with { type: 'json' };
import { Pump } from './bridge/pump.ts';
import { createShopfloorClient } from './bridge/shopfloor-client.ts';
import { asksCredentials, type Config, isLoopback, linesOf, printConfig, shopfloorUrls, wideDoors } from './config.ts';
import { type GivenDatabase, givenDatabase } from './config/given-database.ts';
import { CannotStart } from './core/cannot-start.ts';
import { hasShopfloor, type Line } from './core/line.ts';
import { isBridgePaused } from './core/restore.ts';
import { createAdmission } from './farm/admit.ts';
import { createAudit } from './farm/audit.ts';
import type { FarmSeams } from './farm/farm.ts';
import { Gatekeeper } from './farm/gatekeeper.ts';
import type { Home } from './farm/home.ts';
import { noticeRestoreAlone, RESTORE_WORDS } from './farm/notice-restore.ts';
import { openHome } from './farm/open-home.ts';
import { GAUGES_EVERY_TICKS, readGauges } from './farm/read-gauges.ts';
import { leaveFarm, stopHome } from './farm/stop-home.ts';
import { Ticker } from './farm/ticker.ts';
import { silenceOf } from './farm/vouch.ts';
import { createWakeHub, type WakeHub } from './farm/wake-hub.ts';
import { serveGrpc } from './fronts/grpc/serve-grpc.ts';
import type { Names } from './fronts/rest/guard.ts';
import { serveOperations } from './fronts/rest/operations.ts';
import { serveHttp } from './fronts/rest/serve-http.ts';
import { openEntrances } from './listen/open-entrances.ts';
import { openIdentity } from './identity/open-identity.ts';
import { createLog, type Log } from './log.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { processClock } from './process-clock.ts';
import { startEmbeddedPostgres } from './store/embedded-postgres.ts';
import type { TickAnswer } from './store/tick.ts';
import { migrate } from './store/migrate.ts';
import { createNotices } from './store/notices.ts';
import { checkServer, createPool } from './store/pool.ts';

/** As package.json has it; shown by the metrics and the bot's own door. */
const VERSION = packageJson.version;

export type Serving = {
  readonly grpcAddress: string;
  readonly httpUrl: string;
  /** Null: there is no door for operations. */
  readonly opsUrl: string | null;
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
  await inOneSession(at.ownerUrl, async (owner) => {
    await migrate(owner, at.migrateOptions);
    const restore = await noticeRestoreAlone(owner);
    if (restore !== null) log.warn({ restore: restore.number, cause: restore.cause }, RESTORE_WORDS);
  });
  const { poolMax, connectMs, statementMs, lockMs, idleInTransactionMs } = config.limits.postgres;
  const limits = { connectionsMax: poolMax, connectMs, statementMs, lockMs, idleInTransactionMs };
  const pool = createPool(at.url, limits, (error) => {
    log.warn({ err: error }, 'a connection to the database was lost');
  });
  undo.push(() => pool.end());
  await checkServer(pool);
  return { url: at.url, pool };
};

/** The server that the configuration names, or one of our own in the data directory. */
const locate = async (config: Config, log: Log, undo: (() => Promise<void>)[]): Promise<GivenDatabase> => {
  const given = givenDatabase(config);
  if (given !== null) return given;
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

type OpenFarm = {
  readonly home: Home;
  readonly metrics: Metrics;
  /** Hears of every heartbeat, whether or not it was answered. */
  readonly onBeat: (hear: () => void) => void;
};

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
  const calledAt = shopfloorUrls(config);
  const pump = new Pump({
    farm: home,
    createClient: (shopfloorUrl) =>
      createShopfloorClient({
        url: calledAt.get(shopfloorUrl)?.reveal() ?? shopfloorUrl,
        clock: processClock,
        callTimeoutMs: config.limits.calls.timeoutMs,
        bodyMaxBytes: config.limits.calls.bodyBytesMax,
      }),
  });
  const gatekeeper = new Gatekeeper(home);
  const showTick = createTickShow(metrics.gauges, { home, pump, lines });
  const beats = createBeats();
  ticker = new Ticker(
    home,
    (answer) => {
      hub.setReplicas(answer.replicas);
      showTick(answer);
      beats.tell();
    },
    beats.tell,
  );
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
  return { home, metrics, onBeat: beats.hear };
};

/** Doors open when the heart beats already. */
const createBeats = (): { readonly tell: () => void; readonly hear: OpenFarm['onBeat'] } => {
  const hearers: (() => void)[] = [];
  return {
    tell: () => {
      for (const hear of hearers) hear();
    },
    hear: (hear) => {
      hearers.push(hear);
    },
  };
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
    gauges.pauses(
      lines.filter(hasShopfloor).map(({ instance }) => ({ instance, isPaused: isBridgePaused(answer, instance) })),
    );
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
    notices: createNotices(seams.pool, url, seams.limits.postgres.connectMs),
    clock: seams.clock,
    log: seams.log,
    noticesPerSecondMax: seams.limits.replica.wakesPerSecondMax,
    missed,
  });

/** What was opened on purpose is said, for whoever did not mean it. */
const warnOfExposure = (config: Config, log: Home['log']): void => {
  const doors = wideDoors(config);
  if (doors.length === 0) return;
  const isPlain = config.tls === null;
  const isOpen = !asksCredentials(config);
  if (config.tls === 'terminated-by-proxy')
    log.warn(
      { doors },
      'the doors are plain, as tls: terminated-by-proxy says: only the proxy must be able to reach them',
    );
  if (isPlain || isOpen)
    log.warn({ doors, isPlain, isOpen }, 'anyone on this network can falsify results, as the configuration wants it');
};

const openDoors = async (
  config: Config,
  farm: OpenFarm,
  undo: (() => Promise<void>)[],
): Promise<Omit<Serving, 'stopped'>> => {
  const { home, metrics } = farm;
  warnOfExposure(config, home.log);
  const { limits, tls } = config;
  const entrances = openEntrances(tls, { limits: limits.doors, clock: processClock, log: home.log, metrics });
  undo.push(() => {
    entrances.stop();
    return Promise.resolve();
  });
  const audit = createAudit(home);
  await audit.start({ version: VERSION, settings: printConfig(config) });
  undo.push(() => audit.stop());
  const identity = await openIdentity(config.auth, home);
  undo.push(() => identity.stop());
  const admission = createAdmission(home, { identify: identity.identify, audit });
  const grpc = await serveGrpc({
    home,
    bots: config.bots,
    address: config.doors.grpc,
    entrance: entrances.at('grpc'),
    metrics: metrics.grpc,
    admission,
  });
  // Of what is undone, this comes before the loops and the pool: polls are answered while there is still a database.
  undo.push(async () => {
    grpc.setServing(false);
    await stopHome(home);
    await grpc.stop();
  });
  const operations = {
    metrics: { contentType: metrics.contentType, text: metrics.text },
    ready: () => ready(home),
  };
  const http = await serveHttp({
    ...operations,
    home,
    address: config.doors.http,
    entrance: entrances.at('http'),
    names: namesOf(config),
    admission,
  });
  undo.push(() => http.stop());
  const { ops: opsAt } = config.doors;
  const ops =
    opsAt === null
      ? null
      : await serveOperations({
          ...operations,
          home,
          address: opsAt,
          entrance: entrances.at('ops'),
          names: opsNames(opsAt),
        });
  if (ops !== null) undo.push(() => ops.stop());
  grpc.setServing(true);
  farm.onBeat(() => {
    grpc.setServing(!home.stopping && silenceOf(home) === null);
  });
  const urlOf = (address: string): string =>
    `${tls === null || tls === 'terminated-by-proxy' ? 'http' : 'https'}://${address}/`;
  return {
    grpcAddress: grpc.address,
    httpUrl: urlOf(http.address),
    opsUrl: ops === null ? null : urlOf(ops.address),
  };
};

/** Where credentials are asked for, a name that was bent to point here brings none, unless somebody lists the names. */
const namesOf = (config: Config): Names => {
  const { names, http } = config.doors;
  return names.length === 0 && !isLoopback(http.host) && asksCredentials(config) ? 'any' : names;
};

/** What it shows is not secret. On loopback it is shown to this machine only, all the same. */
const opsNames = ({ host }: { readonly host: string }): Names => (isLoopback(host) ? [] : 'any');

/** Ready: not leaving, and the database answers, its heartbeat as well. */
const ready = async (home: Home): Promise<{ readonly ok: boolean; readonly why: string }> => {
  if (home.stopping) return { ok: false, why: 'the replica is shutting down' };
  const silence = silenceOf(home);
  if (silence !== null) return { ok: false, why: silence };
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
