/** Chance, repeatable: a generator that splits by name, so that a new draw in one place shifts no draw in another. */
import { createHash } from 'node:crypto';

export type Prng = {
  /** In [0, 1). */
  readonly random: () => number;
  /** A whole number from `min` to `max`, both included. */
  readonly int: (min: number, max: number) => number;
  readonly between: (min: number, max: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(from: readonly T[]) => T;
  /** Some `n` of the list, in drawn order. */
  readonly some: <T>(from: readonly T[], n: number) => T[];
  /** A uuid of version 4, by its shape. */
  readonly uuid: () => string;
  /** An independent generator; the same for the same name, however much was drawn before. */
  readonly split: (name: string) => Prng;
};

export const createPrng = (seed: string): Prng => {
  const random = sfc32(seed);
  const int = (min: number, max: number): number => min + Math.floor(random() * (max - min + 1));
  const pick = <T>(from: readonly T[]): T => {
    const picked = from[Math.floor(random() * from.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  };
  return {
    random,
    int,
    between: (min, max) => min + random() * (max - min),
    chance: (probability) => random() < probability,
    pick,
    some: (from, n) => {
      const left = [...from];
      return Array.from({ length: Math.min(n, left.length) }, () => left.splice(int(0, left.length - 1), 1)).flat();
    },
    uuid: () => {
      const hex = Array.from({ length: 4 }, () =>
        Math.floor(random() * 2 ** 32)
          .toString(16)
          .padStart(8, '0'),
      ).join('');
      const variant = '89ab'.charAt(Math.floor(random() * 4));
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
    },
    split: (name) => createPrng(`${seed}/${name}`),
  };
};

/** Chris Doty-Humphrey's small fast counter: four words of state, a period far beyond any run. */
const sfc32 = (seed: string): (() => number) => {
  const digest = createHash('sha256').update(seed).digest();
  let [a, b, c, counter] = [
    digest.readInt32LE(0),
    digest.readInt32LE(4),
    digest.readInt32LE(8),
    digest.readInt32LE(12),
  ];
  return () => {
    const drawn = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + drawn) | 0;
    return (drawn >>> 0) / 2 ** 32;
  };
};
