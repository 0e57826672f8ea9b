/** What happened, line by line: hashed whole, its end kept for people. */
import { createHash } from 'node:crypto';

export type Trace = {
  readonly add: (who: string, what: string) => void;
  readonly hash: () => string;
  /** All of it when everything is kept, else the last lines. */
  readonly lines: () => readonly string[];
  readonly count: () => number;
};

const HASHED_AT_ONCE = 16_384;

/** No sequence value, pid or transaction id belongs into a line: they may differ where nothing that matters does. */
export const createTrace = (nowMs: () => number, keptMax: number): Trace => {
  const digest = createHash('sha256');
  let unhashed = '';
  let kept: string[] = [];
  let count = 0;
  return {
    add: (who, what) => {
      const line = `${nowMs().toFixed(3).padStart(12)} ${who.padEnd(10)} ${what}`;
      unhashed += line;
      if (unhashed.length > HASHED_AT_ONCE) {
        digest.update(unhashed);
        unhashed = '';
      }
      count += 1;
      kept.push(line);
      if (kept.length > 2 * keptMax) kept = kept.slice(-keptMax);
    },
    hash: () => digest.copy().update(unhashed).digest('hex').slice(0, 16),
    lines: () => kept.slice(-keptMax),
    count: () => count,
  };
};
