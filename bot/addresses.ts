/** Where the farm's replicas are: one at a time, and the next one when that is of no use. */
export type Addresses = {
  readonly current: () => string;
  /** The next, in turn; of one alone the same again: what is behind it may be many. */
  readonly next: () => void;
};

/** Of `HOST:PORT`, or several with commas between; empty: it names none. What stands between two commas may be nothing. */
export const addressesIn = (server: string): readonly string[] =>
  server
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');

/** @throws Error where none is named. */
export const createAddresses = (server: string): Addresses => {
  const all = addressesIn(server);
  const [first] = all;
  if (first === undefined) throw new Error(NO_ADDRESS);
  let at = 0;
  return {
    current: () => all[at] ?? first,
    next: () => {
      at = (at + 1) % all.length;
    },
  };
};

export const NO_ADDRESS =
  "no address of the farm's gRPC door is named; write host:port, or several with commas between, such as 10.0.0.1:50051,10.0.0.2:50051";
