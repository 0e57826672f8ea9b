/** Wakes whoever waits for the next ring. */
export type Bell = {
  readonly ring: () => void;
  /** Aborts at the next ring. Take it before you look at what the bell is about, or a ring in between is missed. */
  readonly next: () => AbortSignal;
};

export const createBell = (): Bell => {
  let ringing = new AbortController();
  return {
    ring: () => {
      const rung = ringing;
      ringing = new AbortController();
      rung.abort();
    },
    next: () => ringing.signal,
  };
};
