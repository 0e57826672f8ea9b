/** Time as an argument, so that a simulation can own it. */
export type Clock = {
  /** The wall clock. For people and for the wire only: what expires is judged by the database's clock. */
  readonly now: () => Date;
  /** Milliseconds on a clock that never steps; comparable only within this process. */
  readonly monotonicMs: () => number;
  /** Resolves after `ms` milliseconds; resolves early, never rejects, when the signal aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
};
