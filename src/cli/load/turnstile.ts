/** Lets so many through at a time; the others wait in the order in which they came. */
export type Turnstile = <T>(pass: () => Promise<T>) => Promise<T>;

export const createTurnstile = (max: number): Turnstile => {
  const waiting: (() => void)[] = [];
  let inside = 0;
  return async (pass) => {
    if (inside >= max) await new Promise<void>((resolve) => waiting.push(resolve));
    else inside += 1;
    try {
      return await pass();
    } finally {
      // The place goes on to the next, or is free.
      const next = waiting.shift();
      if (next === undefined) inside -= 1;
      else next();
    }
  };
};
