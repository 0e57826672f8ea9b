/**
 * Looks for work of one replica go one at a time: another's would pass over what this one has locked, and take it for gone.
 * What looks of other replicas pass over, the tick finds.
 */
export type Looks = {
  /** Runs when it is its turn; in the order of asking. */
  readonly inTurn: <T>(look: () => Promise<T>) => Promise<T>;
  /** Begins a look if none is under way nor waiting; what it returns ends it. Null: there is one. */
  readonly beginIfIdle: () => (() => void) | null;
};

export const createLooks = (): Looks => {
  let last: Promise<unknown> = Promise.resolve();
  let underWay = 0;
  const inTurn = <T>(look: () => Promise<T>): Promise<T> => {
    underWay += 1;
    const mine = last.then(look).finally(() => {
      underWay -= 1;
    });
    last = mine.catch(() => undefined);
    return mine;
  };
  return {
    inTurn,
    beginIfIdle: () => {
      if (underWay > 0) return null;
      const { promise, resolve } = Promise.withResolvers<undefined>();
      void inTurn(() => promise);
      return () => {
        resolve(undefined);
      };
    },
  };
};
