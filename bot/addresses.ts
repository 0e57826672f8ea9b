/** Where the farm's replicas are: one at a time, and the next one when that is of no use. */
export type Addresses = {
  readonly current: () => string;
  /** The next, in turn; of one alone the same again: what is behind it may be many. */
  readonly next: () => void;
};

/** `HOST:PORT`, or several with commas between. */
export const createAddresses = (server: string): Addresses => {
  const all = server.split(',').map((address) => address.trim());
  let at = 0;
  return {
    current: () => all[at] ?? server,
    next: () => {
      at = (at + 1) % all.length;
    },
  };
};
