/** Whether the simulation finds the planted bugs: each is switched on in turn, and seeds are run until one is caught. */
import { type Crew, hireHand } from './crew.ts';
import { plantedBugs } from './planted-bugs.ts';

/** As many seeds as the pull-request tier runs: what they would not find, it would not find. */
export const SEEDS_MAX = 300;

export type Caught = {
  readonly bug: string;
  readonly breaks: string;
  /** The promise that was seen broken; null: none was. */
  readonly by: string | null;
  readonly words: string;
  /** How many were run, the last of which caught it. */
  readonly seeds: number;
};

export const catchPlanted = async (
  crew: Crew,
  asked: { readonly only: string | null; readonly hours: number; readonly from: number; readonly seedsMax?: number },
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
    const seedsMax = asked.seedsMax ?? SEEDS_MAX;
    let seeds = 0;
    let violation = null;
    while (violation === null && seeds < seedsMax) {
      const result = await hand.run({
        seed: asked.from + seeds,
        hours: asked.hours,
        traceKept: 1,
        faults: null,
        jobs: null,
      });
      violation = result.violations[0] ?? null;
      seeds += 1;
    }
    hand.leave();
    const outcome: Caught = {
      bug: name,
      breaks,
      by: violation?.invariant ?? null,
      words: violation?.words ?? '',
      seeds,
    };
    outcomes.set(name, outcome);
    tell(outcome, bugs.length);
  });
  return bugs.flatMap(({ name }) => outcomes.get(name) ?? []);
};
