/** Lets so many through at a time, the others in the order in which they came. */
export type Gangway = {
  /** Resolves, once there is room, with what makes room again. */
  readonly enter: () => Promise<() => void>;
};

export const createGangway = (width: number): Gangway => {
  const waiting: (() => void)[] = [];
  let within = 0;
  const leave = (): void => {
    const next = waiting.shift();
    // Whoever waits takes the place over: nobody who comes now can slip in between.
    if (next === undefined) within -= 1;
    else next();
  };
  return {
    enter: async () => {
      if (within < width) within += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return leave;
    },
  };
};
