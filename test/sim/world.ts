/** One simulated world: its time, its chance, its network, its database and what is wrong with them. */
import { Life } from './life.ts';
import { Network } from './network.ts';
import { NoticeBus } from './notice-bus.ts';
import { createPrng, type Prng } from './prng.ts';
import { SimDatabase } from './sim-database.ts';
import type { SimServer } from './sim-server.ts';
import { createTrace, type Trace } from './trace.ts';
import { createVirtualTime, type VirtualTime } from './virtual-time.ts';
import { Weather } from './weather.ts';

/** A broken promise of the farm's, in words. */
export type Violation = { readonly atMs: number; readonly invariant: string; readonly words: string };

export type World = {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly prng: Prng;
  readonly trace: Trace;
  readonly weather: Weather;
  readonly network: Network;
  readonly bus: NoticeBus;
  readonly database: SimDatabase;
  readonly server: SimServer;
  readonly violations: Violation[];
  /** The first few stand; what follows from a broken promise is noise. */
  readonly violate: (invariant: string, words: string) => void;
  /** A new process of that name. */
  readonly begin: (name: string) => Life;
  /** All processes die. */
  readonly end: () => void;
};

const VIOLATIONS_MAX = 5;
/** What the farm itself calls a bug, or leaves unhandled. */
export const BUG_THROWN = 'no bug is thrown';

export const createWorld = (
  seed: number,
  parts: { readonly server: SimServer; readonly database: string; readonly traceKept: number },
): World => {
  const time = createVirtualTime();
  const prng = createPrng(`seed ${seed}`);
  const trace = createTrace(time.nowMs, parts.traceKept);
  const weather = new Weather();
  const violations: Violation[] = [];
  const lives: Life[] = [];
  return {
    seed,
    time,
    prng,
    trace,
    weather,
    network: new Network({ time, prng: prng.split('network'), trace, weather: linkWeather(weather) }),
    bus: new NoticeBus({
      time,
      prng: prng.split('notices'),
      weather: { isRefusing: (name) => weather.isDatabaseAway(name), loss: () => weather.noticeLoss() },
    }),
    database: new SimDatabase(parts.server, parts.database, time.nowMs),
    server: parts.server,
    violations,
    violate: (invariant, words) => {
      trace.add('VIOLATION', `${invariant}: ${words}`);
      if (violations.length < VIOLATIONS_MAX) violations.push({ atMs: time.nowMs(), invariant, words });
    },
    begin: (name) => {
      const life = new Life(name, time);
      lives.push(life);
      return life;
    },
    end: () => {
      for (const life of lives) life.die();
    },
  };
};

const linkWeather = (weather: Weather) => ({
  isCut: (from: string, to: string) => weather.isCut(from, to),
  lossOf: () => weather.loss(),
  duplication: () => weather.duplication(),
  delayMaxMs: () => weather.delayMaxMs(),
});
