/** One side of a comparison of the store: work is done for a while, and the jobs are counted. */
export type Side = {
  /** Jobs a second, over so many seconds. */
  readonly perSecond: (seconds: number) => Promise<number>;
  readonly close: () => Promise<void>;
};

/** Seconds of one run; a pair is two of them. */
export const runSeconds = ({ quick }: { readonly quick: boolean }): number => (quick ? 3 : 6);

/** Closes both sides whatever happens between them. */
export const withSides = async <T>(
  opening: readonly (() => Promise<Side>)[],
  work: (...sides: Side[]) => Promise<T>,
): Promise<T> => {
  const sides: Side[] = [];
  try {
    for (const open of opening) sides.push(await open());
    return await work(...sides);
  } finally {
    for (const side of sides) await side.close();
  }
};
