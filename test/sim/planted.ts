/** Whether the simulation finds the planted bugs: each is switched on in turn, and seeds are run until one is caught. */
import { type Crew, hireHand } from './crew.ts';
import { caughtBy, plantedBugs } from './planted-bugs.ts';

/** As many seeds as the pull-request tier runs: what they would not find, it would not find. */
export const SEEDS_MAX = 300;

export type Caught = {
  readonly bug: string;
  readonly breaks: string;
  /** The promise that was seen broken; null: none was. */
  readonly by: string | null;
  readonly words: string;
  /** The one that caught it. */
  readonly seed: number | null;
  /** How many were run. */
  readonly seeds: number;
};

export const catchPlanted = async (
  crew: Crew,
  asked: { readonly only: string | null; readonly hours: number; readonly from: number },
  tell: (outcome: Caught, total: number) => void,
): Promise<readonly Caught[]> => {
  const bugs = plantedBugs.filter(({ name }) => asked.only === null || name === asked.only);
  if (bugs.length === 0)
    throw new Error(
      `there is no planted bug ${String(asked.only)}; there are ${plantedBugs.map(({ name }) => name).join(', ')}`,
    );
  const outcomes = new Map<string, Caught>();
  await crew.each(bugs, async ({ name, breaks }, server) => {
    const hand = await hireHand(server, name);
    let seeds = 0;
    let violation = null;
    let caught = null;
    for (const seed of seedsFor(asked.from, caughtBy.get(name))) {
      const result = await hand.run({ seed, hours: asked.hours, traceKept: 1, faults: null, jobs: null });
      seeds += 1;
      violation = result.violations[0] ?? null;
      if (violation === null) continue;
      caught = seed;
      break;
    }
    hand.leave();
    const outcome: Caught = {
      bug: name,
      breaks,
      by: violation?.invariant ?? null,
      words: violation?.words ?? '',
      seed: caught,
      seeds,
    };
    outcomes.set(name, outcome);
    tell(outcome, bugs.length);
  });
  return bugs.flatMap(({ name }) => outcomes.get(name) ?? []);
};

/** All that the tests run, the most likely first: a seed is the same world for as long as the farm is the same. */
const seedsFor = (from: number, likely: number | undefined): readonly number[] => {
  const seeds = Array.from({ length: SEEDS_MAX }, (_, index) => from + index);
  return [...seeds.filter((seed) => seed === likely), ...seeds.filter((seed) => seed !== likely)];
};
