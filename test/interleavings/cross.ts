/** Plays one pair by many schedules, and holds every end against what the pair allows. */
import {
  aFirst,
  bFirst,
  oneSwitch,
  sample,
  type Schedule,
  scheduleText,
  seeded,
  type Steps,
  tossed,
  twoSwitches,
} from './schedules.ts';
import type { Scene, SceneChanges, Stage } from './stage.ts';
import { takeTurns, type Turn } from './take-turns.ts';

/** Two use-cases that can cross, and every way in which that may end. */
export interface Pair extends SceneChanges {
  /** `what A does / what B does`. */
  readonly name: string;
  /** Makes ready, and says what each side does and what is to be looked at when both have ended. */
  readonly ready: (scene: Scene) => Promise<Crossing>;
  /** What A ends with, what B ends with, what stands then. Each must come about in some schedule, and nothing else may. */
  readonly ends: readonly (readonly [a: string, b: string, stands: string])[];
}

export interface Crossing {
  readonly a: () => Promise<string>;
  readonly b: () => Promise<string>;
  readonly stands: () => Promise<string>;
}

/** How much is tried beyond what one switch gives. */
export interface Effort {
  readonly seed: number;
  /** Of those with two switches, and of those that toss a coin for every turn; a sample by the seed. */
  readonly twoSwitchesMax: number;
  readonly tossedMax: number;
}

/** A bug put in on purpose: rewrites statements on their way to the database. Absent: none. */
export type Plant = (text: string) => string;

export interface Crossed {
  readonly steps: Steps;
  readonly schedules: number;
  /** In so many different orders the statements really ran. */
  readonly orders: number;
  /** Ends that came about, as JSON. */
  readonly seen: ReadonlySet<string>;
}

/** @throws Error naming the pair, the schedule and every turn, at the first end that is not allowed. */
export const cross = async (
  stage: Stage,
  pair: Pair,
  effort: Effort,
  plant: Plant = (text) => text,
): Promise<Crossed> => {
  const orders = new Set<string>();
  const seen = new Set<string>();
  let schedules = 0;
  const play = async (schedule: Schedule): Promise<readonly Turn[]> => {
    const played = await playOnce(stage, pair, schedule, plant);
    schedules += 1;
    orders.add(played.turns.map(({ side }) => side).join(''));
    seen.add(played.end);
    return played.turns;
  };
  const first = await play(aFirst);
  const other = await play(bFirst);
  const steps = { a: count(first, 'A'), b: count(other, 'B') };
  const random = seeded(effort.seed);
  const more = [
    ...oneSwitch(steps),
    ...sample(twoSwitches(steps), effort.twoSwitchesMax, random),
    ...Array.from({ length: effort.tossedMax }, () => tossed(steps, random)),
  ];
  for (const schedule of more) await play(schedule);
  return { steps, schedules, orders: orders.size, seen };
};

export const playOnce = async (
  stage: Stage,
  pair: Pair,
  schedule: Schedule,
  plant: Plant = (text) => text,
): Promise<{ readonly turns: readonly Turn[]; readonly end: string }> => {
  const scene = await stage.raise(pair);
  const crossing = await pair.ready(scene);
  await scene.hush();
  const [a, b] = stage.sides;
  a.start(crossing.a, plant);
  b.start(crossing.b, plant);
  const turns = await takeTurns(stage.sides, schedule, stage.pool);
  const end = JSON.stringify([a.ended(), b.ended(), await crossing.stands()]);
  const wrong = [
    ...(pair.ends.some((allowed) => JSON.stringify(allowed) === end) ? [] : [`${end} is not among the ends allowed`]),
    // The lock order is the same everywhere, so that nobody waits in a circle.
    ...(a.deadlocks() + b.deadlocks() === 0 ? [] : ['PostgreSQL ended a deadlock']),
    ...(await stage.doctor()).map(({ words, what }) => `the doctor says of ${what}: ${words}`),
  ];
  if (wrong.length > 0)
    throw new Error([`${pair.name}, by ${scheduleText(schedule)}:`, ...wrong, ...turns.map(said)].join('\n'));
  return { turns, end };
};

const count = (turns: readonly Turn[], name: Turn['side']): number => turns.filter(({ side }) => side === name).length;

const SAID_MAX = 110;

const said = ({ side, text, waited }: Turn): string =>
  `  ${side}  ${text.replaceAll(/\s+/g, ' ').trim().slice(0, SAID_MAX)}${waited ? '  … and waits' : ''}`;
