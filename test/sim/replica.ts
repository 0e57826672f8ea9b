/**
 * One replica of the real farm in a simulated process; put together as src/main.ts does, all but its sockets, and but its
 * standing for leadership: PostgreSQL ends a silent session by its own clock, which is not the simulated one, and no
 * duty of a leader touches what the simulation judges (src/farm/lead.ts; test/farm/lead.test.ts and test/e2e/leader.test.ts
 * have it).
 */
import { Pump } from '../../src/bridge/pump.ts';
import { limitsFrom } from '../../src/core/limits.ts';
import type { Line } from '../../src/core/line.ts';
import type { FarmSeams, Log, Witness } from '../../src/farm/farm.ts';
import { Gatekeeper } from '../../src/farm/gatekeeper.ts';
import type { Home } from '../../src/farm/home.ts';
import { openHome } from '../../src/farm/open-home.ts';
import { Ticker } from '../../src/farm/ticker.ts';
import { createWakeHub } from '../../src/farm/wake-hub.ts';
import { poolLimitsOf } from '../../src/store/pool.ts';
import { type AnsweredCall, openDoors } from './doors.ts';
import type { Life } from './life.ts';
import type { Partner } from './partner.ts';
import type { Prng } from './prng.ts';
import { SimPool, toPgPool } from './sim-pool.ts';
import { watchGrants } from './watch-grants.ts';
import { BUG_THROWN, type World } from './world.ts';

export type Replica = { readonly life: Life; readonly pool: SimPool; readonly home: Home };

export type ReplicaParts = {
  readonly world: World;
  /** Its address; the same after every restart. */
  readonly name: string;
  readonly prng: Prng;
  readonly lines: ReadonlyMap<string, Line>;
  readonly partner: Partner;
  readonly skewMs: number;
  readonly onFenced: () => void;
  readonly onServing: () => void;
  /** Told of every call as its answer leaves. */
  readonly onAnswered: (call: AnsweredCall) => void;
};

/**
 * An idle replica does little but tick and look for lanes in case it missed a wake. It does so less often here, for the
 * hours of many seeds would be its ticks.
 */
const BACKSTOPS_MS: Readonly<Record<string, number>> = {
  'replica.tickMs': 10_000,
  'lanes.pollMs': 20_000,
  'tokens.refreshMs': 12_000,
  'tokens.staleMs': 24_000,
};
export const limits = limitsFrom((group, name, byDefault) => BACKSTOPS_MS[`${group}.${name}`] ?? byDefault);

/** Listens once its first tick is over, as a real one does. A replica that finds no database to start with dies. */
export const startReplica = (parts: ReplicaParts): Replica => {
  const { world, name, prng, lines, partner } = parts;
  const life = world.begin(name);
  life.skewMs = parts.skewMs;
  const log = logOf(world, life);
  const chance = prng.split('farm');
  const ids = prng.split('ids');
  const replica = ids.uuid();
  const pool = openPool(parts, life, replica);
  const seams: FarmSeams = {
    replica,
    pool: toPgPool(pool),
    clock: life.clock,
    newId: ids.uuid,
    random: chance.random,
    limits,
    lineOf: (instance) => lines.get(instance) ?? null,
    log,
    witness: witnessOf(parts.onFenced),
  };
  const hub = createWakeHub({
    replica: seams.replica,
    notices: world.bus.noticesOf(life),
    clock: life.clock,
    log,
    noticesPerSecondMax: limits.replica.wakesPerSecondMax,
    missed: () => ticker.soon(),
  });
  const home = openHome({ ...seams, wake: hub.wake, onWake: hub.onWake });
  const pump = new Pump({ farm: home, createClient: (url) => partner.clientOf(life, url) });
  const gatekeeper = new Gatekeeper(home);
  const ticker = new Ticker(home, (answer) => hub.setReplicas(answer.replicas));
  const serve = async (): Promise<void> => {
    await ticker.start();
    hub.start();
    pump.start();
    gatekeeper.start();
    const handle = await openDoors(home, parts.onAnswered);
    if (life.isDead) return;
    world.network.listen(name, { life, handle });
    world.trace.add(name, 'serves');
    parts.onServing();
  };
  serve().catch(() => life.die());
  return { life, pool, home };
};

const openPool = ({ world, name, prng }: ReplicaParts, life: Life, replica: string): SimPool => {
  const { time, database, trace, weather } = world;
  const faults = prng.split('statements');
  return new SimPool({
    life,
    time,
    database,
    trace,
    prng: prng.split('latency'),
    limits: poolLimitsOf(limits.postgres),
    inspect: watchGrants(world, replica, name),
    weather: {
      isRefusing: () => weather.isDatabaseAway(name),
      faultOf: () => weather.statementFaults(name).find(({ rate }) => faults.chance(rate))?.fault ?? null,
    },
  });
};

/** What the farm says goes into the trace; what it calls a fault of its own breaks a promise, unless we made it. */
const logOf = (world: World, life: Life): Log => ({
  info: () => undefined,
  warn: (facts, sentence) => world.trace.add(life.name, `warns: ${sentence}${causeOf(facts)}`),
  error: (facts, sentence) => {
    world.trace.add(life.name, `error: ${sentence}${causeOf(facts)}`);
    const { err } = facts;
    if (!isOfTheDatabase(err)) world.violate(BUG_THROWN, `${sentence}: ${stackOf(err)}`);
  },
});

const causeOf = ({ err, error }: Readonly<Record<string, unknown>>): string => {
  const cause = err ?? error;
  if (cause === undefined) return '';
  return ` (${(cause instanceof Error ? cause.message : JSON.stringify(cause)).split('\n')[0] ?? ''})`;
};

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** The faults of a database that is there to be faulty; anything else that is thrown is ours. */
const INJECTED = /^(40001|40P01|53300|55P03|57014|25P02|ECONNREFUSED)$/;
const isOfTheDatabase = (error: unknown): boolean =>
  error instanceof Error &&
  (('code' in error && typeof error.code === 'string' && INJECTED.test(error.code)) ||
    /^(Connection terminated|timeout exceeded)/.test(error.message));

const witnessOf = (onFenced: () => void): Witness => {
  const nothing = (): void => undefined;
  return {
    committed: nothing,
    fenced: onFenced,
    granted: nothing,
    started: nothing,
    ended: nothing,
    flushed: nothing,
    pollParked: nothing,
    pollEnded: nothing,
    called: nothing,
    delivered: nothing,
    missedNotify: nothing,
  };
};
