/** Time as an argument, so that a simulation can own it. The bot is a stranger to the farm and says this for itself. */
export type Clock = {
  /** The wall clock, for people and for the wire only. */
  readonly now: () => Date;
  /** Milliseconds on a clock that never steps; comparable only within this process. */
  readonly monotonicMs: () => number;
  /** Resolves after `ms` milliseconds; resolves early, never rejects, when the signal aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
};
