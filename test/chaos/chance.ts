/** Chance from a printed seed. */
import { seededRandom } from '../../src/reference-shopfloor/fault-rules.ts';

export type Chance = ReturnType<typeof createChance>;

export function createChance(seed: number) {
  const random = seededRandom(seed);
  const below = (n: number): number => Math.floor(random() * n);
  return {
    random,
    below,
    /** From `min` to `max`, whole. */
    between: (min: number, max: number): number => min + below(max - min + 1),
    happens: (probability: number): boolean => random() < probability,
    one: <T>(of: readonly T[]): T => {
      const chosen = of[below(of.length)];
      if (chosen === undefined) throw new Error('there is nothing to choose from');
      return chosen;
    },
    shuffled: <T>(of: readonly T[]): T[] => {
      const left = [...of];
      return Array.from(of, () => left.splice(below(left.length), 1)).flat();
    },
  };
}
