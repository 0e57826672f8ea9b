/** A replica without its doors: its memory of sessions, its heartbeat, its wakes, its pump, its gates. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { type Asker, createAsker } from '../bridge/ask-shopfloor.ts';
import { Pump } from '../bridge/pump.ts';
import { createShopfloorClient } from '../bridge/shopfloor-client.ts';
import { type Config, linesOf, shopfloorUrls } from '../config.ts';
import type { Line } from '../core/line.ts';
import type { FarmSeams } from '../farm/farm.ts';
import { Gatekeeper } from '../farm/gatekeeper.ts';
import type { Home } from '../farm/home.ts';
import { openHome } from '../farm/open-home.ts';
import { leaveFarm } from '../farm/stop-home.ts';
import { Ticker } from '../farm/ticker.ts';
import { createWakeHub, type WakeHub } from '../farm/wake-hub.ts';
import type { Log } from '../log.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { processClock } from '../process-clock.ts';
import { createNotices } from '../store/notices.ts';
import { openLead } from './open-lead.ts';
import { openTracer } from './open-tracer.ts';
import { createTickShow } from './show-ticks.ts';
import type { Undo } from './undo.ts';
import { VERSION } from './version.ts';

export type OpenFarm = {
  readonly home: Home;
  readonly metrics: Metrics;
  /** A question of a DUT to the shopfloor of an instance. */
  readonly ask: Asker['ask'];
  /** Hears of every heartbeat, whether or not it was answered. */
  readonly onBeat: (hear: () => void) => void;
};

export const openFarm = async (
  config: Config,
  log: Log,
  given: { readonly url: string; readonly pool: pg.Pool; readonly undo: Undo },
): Promise<OpenFarm> => {
  const { pool, url, undo } = given;
  const lineOf = linesOf(config);
  const lines = config.lines.flatMap(({ instance }) => lineOf(instance) ?? []);
  const { propertyLabels } = config.metrics;
  const { poolMax } = config.limits.postgres;
  const metrics = createMetrics({ version: VERSION, lines, propertyLabels, pool, poolMax });
  undo.push(() => {
    metrics.close();
    return Promise.resolve();
  });
  const bare: FarmSeams = {
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
  const tracer = await openTracer(config, bare, undo);
  const seams: FarmSeams = tracer === null ? bare : { ...bare, tracer };
  let ticker: Ticker | null = null;
  const hub = openHub(seams, url, () => {
    metrics.witness.missedNotify();
    ticker?.soon();
  });
  const home = openHome({ ...seams, wake: hub.wake, onWake: hub.onWake });
  const { pump, asker } = openBridge(config, home);
  undo.push(() => {
    asker.close();
    return Promise.resolve();
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
  openLead(home, metrics.lead, { url, undo });
  pump.start();
  undo.push(() => pump.stop());
  if (lines.some(hasGate)) {
    gatekeeper.start();
    undo.push(() => gatekeeper.stop());
  }
  return { home, metrics, ask: asker.ask, onBeat: beats.hear };
};

/** Owed calls and questions have clients of their own: they are patient for different times. */
const openBridge = (config: Config, home: Home): { readonly pump: Pump; readonly asker: Asker } => {
  const calledAt = shopfloorUrls(config);
  const { calls, external } = config.limits;
  const clientFor = (callTimeoutMs: number) => (shopfloorUrl: string) =>
    createShopfloorClient({
      url: calledAt.get(shopfloorUrl)?.reveal() ?? shopfloorUrl,
      clock: processClock,
      callTimeoutMs,
      bodyMaxBytes: calls.bodyBytesMax,
    });
  return {
    pump: new Pump({ farm: home, createClient: clientFor(calls.timeoutMs) }),
    asker: createAsker(home, clientFor(external.answerMs)),
  };
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

const openHub = (seams: FarmSeams, url: string, missed: () => void): WakeHub =>
  createWakeHub({
    replica: seams.replica,
    notices: createNotices(seams.pool, url, seams.limits.postgres.connectMs),
    clock: seams.clock,
    log: seams.log,
    noticesPerSecondMax: seams.limits.replica.wakesPerSecondMax,
    missed,
  });
