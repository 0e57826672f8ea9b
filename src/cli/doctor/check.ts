/** One question to an installation, and what came of it. */

export type Finding = {
  /** `warn`: it works today. `skipped`: there is nothing to ask, or another check has said why it cannot be asked. */
  readonly kind: 'ok' | 'warn' | 'fail' | 'skipped';
  /** Never a secret: the addresses in it are without user and password. */
  readonly saw: string;
};

export type Check = {
  /** What it looks at, and after the point which part: `tls.expiry`, `port.grpc`. */
  readonly id: string;
  readonly what: string;
  readonly why: string;
  readonly mend: string;
  /** Milliseconds that it may take; absent: as long as the command line gives every check. */
  readonly boundMs?: number;
  /** Lets go of what it opened when the signal aborts; what it answers afterwards counts for nothing. */
  readonly run: (signal: AbortSignal) => Promise<Finding> | Finding;
};

export const ok = (saw: string): Finding => ({ kind: 'ok', saw });
export const warn = (saw: string): Finding => ({ kind: 'warn', saw });
export const fail = (saw: string): Finding => ({ kind: 'fail', saw });
export const skipped = (saw: string): Finding => ({ kind: 'skipped', saw });

/** What a system says of an error; where it tried several addresses, of each. */
export const wordsOf = (error: unknown): string => {
  if (error instanceof AggregateError && error.errors.length > 0)
    return [...new Set(error.errors.map(wordsOf))].join('; ');
  return error instanceof Error ? error.message : String(error);
};
