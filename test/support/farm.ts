/** A farm for tests: real parts on a real database, with a hub of wakes in process and a journal of what was told. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../src/core/clock.ts';
import type { FarmEvent } from '../../src/core/farm-event.ts';
import { defaultLimits, type Limits } from '../../src/core/limits.ts';
import type { Line, StationRule } from '../../src/core/line.ts';
import { createEnqueues, type EnqueueingFarm } from '../../src/farm/enqueue-job.ts';
import type { Farm, Wake, Witness } from '../../src/farm/farm.ts';
import type { FreshDatabase } from './database.ts';
import { wallClock } from './wall-clock.ts';

export type TestFarm = EnqueueingFarm & {
  /** Every wake so far, oldest first. */
  readonly wakes: readonly Wake[];
  /** Every event that was told after its commit. */
  readonly events: readonly FarmEvent[];
};

/** What joins farms of one test as NOTIFY joins replicas: a wake of one is heard by all. */
export const createWakeHub = (): Pick<Farm, 'wake' | 'onWake'> => {
  const hearers = new Set<(wake: Wake) => void>();
  return {
    wake: (wakes) => {
      for (const wake of wakes) for (const hear of hearers) hear(wake);
    },
    onWake: (hear) => {
      hearers.add(hear);
      return () => hearers.delete(hear);
    },
  };
};

export const createTestFarm = (parts: {
  readonly database: FreshDatabase;
  /** One instance, `line-1`, where any station goes, by default. */
  readonly lines?: readonly Line[];
  /** Changes to the defaults, group by group. */
  readonly limits?: { readonly [Group in keyof Limits]?: Partial<Limits[Group]> };
  readonly clock?: Clock;
  /** Shared by farms that are replicas of each other. */
  readonly hub?: Pick<Farm, 'wake' | 'onWake'>;
}): TestFarm => {
  const lines = parts.lines ?? [testLine()];
  const hub = parts.hub ?? createWakeHub();
  const wakes: Wake[] = [];
  const events: FarmEvent[] = [];
  const farm: Farm = {
    replica: randomUUID(),
    pool: parts.database.pool,
    clock: parts.clock ?? wallClock,
    newId: randomUUID,
    random: Math.random,
    limits: limitsWith(parts.limits ?? {}),
    lineOf: (instance) => lines.find((line) => line.instance === instance) ?? null,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    witness: witnessInto(events),
    onWake: hub.onWake,
    wake: (said) => {
      wakes.push(...said);
      hub.wake(said);
    },
  };
  return { ...farm, enqueues: createEnqueues(farm), wakes, events };
};

const limitsWith = (changes: { readonly [Group in keyof Limits]?: object }): Limits =>
  Object.fromEntries(
    Object.entries(defaultLimits).map(([group, values]) => [group, { ...values, ...changes[group as keyof Limits] }]),
  ) as Limits;

const witnessInto = (events: FarmEvent[]): Witness => ({
  committed: (told) => events.push(...told),
  fenced: () => undefined,
  granted: () => undefined,
  started: () => undefined,
  ended: () => undefined,
  flushed: () => undefined,
  pollParked: () => undefined,
  pollEnded: () => undefined,
  called: () => undefined,
  delivered: () => undefined,
  missedNotify: () => undefined,
});

/** A line without a shopfloor, where any station goes, unless the changes say otherwise. */
export const testLine = (changes: Partial<Line> = {}): Line => ({
  instance: 'line-1',
  shopfloorUrl: null,
  stations: new Map(),
  anyStation: testRule(),
  events: new Map(),
  actions: new Map(),
  claims: [],
  ...changes,
});

export const testRule = (changes: Partial<StationRule> = {}): StationRule => ({
  station: '',
  mode: 'notify',
  lostAfterMs: 90_000,
  attemptsMax: 3,
  waivable: new Set(),
  notifyEnd: 'passed',
  taktMs: null,
  tests: [],
  ...changes,
});
