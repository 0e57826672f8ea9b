/** A farm without sessions: what the bridge and the operators' verbs need of one, on a real database. */
import { randomUUID } from 'node:crypto';
import { defaultLimits, type Limits, limitsFrom } from '../../src/core/limits.ts';
import type { Line, StationRule } from '../../src/core/line.ts';
import type { FarmEvent } from '../../src/core/farm-event.ts';
import type { Farm, Wake } from '../../src/farm/farm.ts';
import { createPool } from '../../src/store/pool.ts';
import type { FreshDatabase } from './database.ts';
import { INSTANCE } from './rows.ts';
import { wallClock } from './wall-clock.ts';

export interface PlainFarm extends Farm {
  /** What was committed, in order. */
  readonly events: FarmEvent[];
  readonly wakes: Wake[];
  readonly calls: { readonly method: string; readonly outcome: string }[];
  readonly close: () => Promise<void>;
}

export interface PlainFarmOptions {
  readonly line: Line;
  readonly clock?: Farm['clock'];
  readonly limits?: Limits;
  readonly random?: () => number;
}

/** A replica of its own on the database. */
export function openPlainFarm(database: FreshDatabase, options: PlainFarmOptions): PlainFarm {
  const { line, clock = wallClock, limits = defaultLimits, random = () => 0 } = options;
  const hearers = new Set<(wake: Wake) => void>();
  const events: FarmEvent[] = [];
  const wakes: Wake[] = [];
  const calls: PlainFarm['calls'] = [];
  const nothing = (): void => undefined;
  const pool = createPool(database.url);
  return {
    replica: randomUUID(),
    pool,
    clock,
    newId: randomUUID,
    random,
    limits,
    lineOf: (instance) => (instance === line.instance ? line : null),
    log: { info: nothing, warn: nothing, error: nothing },
    witness: {
      committed: (committed) => events.push(...committed),
      fenced: nothing,
      granted: nothing,
      started: nothing,
      ended: nothing,
      flushed: nothing,
      pollParked: () => undefined,
      pollEnded: nothing,
      called: ({ method, outcome }) => calls.push({ method, outcome }),
      delivered: nothing,
      missedNotify: nothing,
    },
    wake: (woken) => {
      wakes.push(...woken);
      for (const wake of woken) for (const hear of [...hearers]) hear(wake);
    },
    onWake: (hear) => {
      hearers.add(hear);
      return () => hearers.delete(hear);
    },
    events,
    wakes,
    calls,
    close: () => pool.end(),
  };
}

const RULE: StationRule = {
  station: '',
  mode: 'notify',
  lostAfterMs: 90_000,
  attemptsMax: 3,
  waivable: new Set(),
  notifyEnd: 'passed',
  taktMs: null,
  tests: [],
};

/** Any station goes; those named are gated. */
export function lineAt(
  shopfloorUrl: string,
  {
    gated = [],
    actions = {},
  }: { gated?: readonly string[]; actions?: Readonly<Record<string, 'hold' | 'rerun'>> } = {},
): Line {
  const stations = [...gated, 'SMT', 'FFT'].map((station): [string, StationRule] => [
    station,
    { ...RULE, station, mode: gated.includes(station) ? 'gate' : 'notify' },
  ]);
  return {
    instance: INSTANCE,
    shopfloorUrl,
    stations: new Map(stations),
    anyStation: RULE,
    events: new Map(),
    actions: new Map(Object.entries(actions)),
    claims: [],
  };
}

/** The defaults but for these, named `group.name`. */
export const limitsWith = (changed: Readonly<Record<string, number>>): Limits =>
  limitsFrom((group, name, byDefault) => changed[`${group}.${name}`] ?? byDefault);
