/** Lets so many through at a time, the others in the order in which they came. */
export type Gangway = <T>(work: () => Promise<T>) => Promise<T>;

export const createGangway = (width: number): Gangway => {
  const waiting: (() => void)[] = [];
  let within = 0;
  return async (work) => {
    if (within < width) within += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      // Whoever waits takes the place over: nobody who comes now can slip in between.
      if (next === undefined) within -= 1;
      else next();
    }
  };
};
