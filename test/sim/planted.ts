/** Whether the simulation finds the planted bugs: each is switched on in turn, and seeds are run until one is caught. */
import { type Crew, hireHand } from './crew.ts';
import { type EmphasisName, emphasisOf } from './emphases.ts';
import { type PlantedBug, plantedBugs } from './planted-bugs.ts';
import { BUG_THROWN } from './world.ts';
import type { SeedResult } from './run-seed.ts';
import type { SimServer } from './sim-server.ts';

/** Of the seeds that anybody runs, at most so many, and as they are: nothing is searched for that they would not find. */
export const SEEDS_MAX = 300;

export type Caught = {
  readonly bug: string;
  readonly breaks: string;
  /** Of the seed that caught it. */
  readonly emphasis: string | null;
  /** The promise that was seen broken; null: none was. */
  readonly by: string | null;
  readonly words: string;
  /** The one that caught it. */
  readonly seed: number | null;
  /** How many were run. */
  readonly seeds: number;
  readonly seconds: number;
};

export const catchPlanted = async (
  crew: Crew,
  asked: { readonly only: readonly string[]; readonly hours: number; readonly from: number },
  tell: (outcome: Caught, total: number) => void,
): Promise<readonly Caught[]> => {
  const unknown = asked.only.filter((name) => !plantedBugs.some((bug) => bug.name === name));
  if (unknown.length > 0)
    throw new TypeError(
      `there is no planted bug ${unknown.join(', ')}; there are ${plantedBugs.map(({ name }) => name).join(', ')}`,
    );
  const bugs = plantedBugs.filter(({ name }) => asked.only.length === 0 || asked.only.includes(name));
  const outcomes = new Map<string, Caught>();
  await crew.each(bugs, async (bug, server) => {
    const outcome = await look(bug, server, asked);
    outcomes.set(bug.name, outcome);
    tell(outcome, bugs.length);
  });
  return bugs.flatMap(({ name }) => outcomes.get(name) ?? []);
};

const look = async (
  { name, breaks, under }: PlantedBug,
  server: SimServer,
  { hours, from }: { readonly hours: number; readonly from: number },
): Promise<Caught> => {
  const startedMs = performance.now();
  const hand = await hireHand(server, name);
  let seeds = 0;
  let caught: SeedResult | null = null;
  for (const seed of seedsFor(from, under)) {
    const emphasis = emphasisOf(seed).name;
    const result = await hand.run({ seed, emphasis, hours, traceKept: 1, faults: null, jobs: null });
    seeds += 1;
    if (result.violations[0]?.invariant === BUG_THROWN) throw new Error(badlyPlanted(name, result));
    if (result.violations.length === 0) continue;
    caught = result;
    break;
  }
  hand.leave();
  const violation = caught?.violations[0];
  return {
    bug: name,
    breaks,
    emphasis: caught?.emphasis ?? null,
    by: violation?.invariant ?? null,
    words: violation?.words ?? '',
    seed: caught?.seed ?? null,
    seeds,
    seconds: (performance.now() - startedMs) / 1_000,
  };
};

const badlyPlanted = (name: string, { seed, violations }: SeedResult): string =>
  `the planted bug ${name} makes the farm throw (seed ${seed}), which anybody would notice: ${violations[0]?.words ?? ''}\n` +
  'Plant it anew, so that the farm does the wrong thing and goes on.';

/** Those of its emphasis first. */
const seedsFor = (from: number, under: EmphasisName): readonly number[] => {
  const isLikely = (seed: number): boolean => emphasisOf(seed).name === under;
  const seeds = Array.from({ length: SEEDS_MAX }, (_, index) => from + index);
  return [...seeds.filter(isLikely), ...seeds.filter((seed) => !isLikely(seed))];
};
