/** The run second by second: what a plot needs, and where a dip hides that percentiles of the whole smooth away. */
import { createLatencies, type Latencies } from './figures.ts';

export type SeriesRow = {
  /** Seconds from the start; the row tells of the one that begins here. */
  readonly second: number;
  readonly sent: number;
  readonly enqueued: number;
  readonly finished: number;
  readonly errors: number;
  /** Of the jobs finished in this second, from due to acknowledged, in milliseconds; null: none was. */
  readonly p50: number | null;
  readonly p99: number | null;
};

export type Counted = 'sent' | 'enqueued' | 'errors';

export type Series = {
  /** Times are milliseconds from the start, and do not go back. */
  readonly count: (what: Counted, atMs: number) => void;
  readonly finish: (atMs: number, tookMs: number) => void;
  /** The latest whole second; null: the first is not over. */
  readonly latest: (atMs: number) => SeriesRow | null;
  readonly rows: () => readonly SeriesRow[];
};

type Open = { sent: number; enqueued: number; errors: number; readonly took: Latencies };

const blank = (): Open => ({ sent: 0, enqueued: 0, errors: 0, took: createLatencies() });

const rowOf = (second: number, { sent, enqueued, errors, took }: Open): SeriesRow => {
  const { n, p50, p99 } = took.read();
  return { second, sent, enqueued, finished: n, errors, p50, p99 };
};

export const createSeries = (): Series => {
  const past: SeriesRow[] = [];
  let open = blank();
  /** Closes the seconds before this one; those in which nothing happened have rows too. */
  const at = (atMs: number): Open => {
    const second = Math.max(past.length, Math.floor(atMs / 1000));
    while (past.length < second) {
      past.push(rowOf(past.length, open));
      open = blank();
    }
    return open;
  };
  return {
    count: (what, atMs) => {
      at(atMs)[what] += 1;
    },
    finish: (atMs, tookMs) => at(atMs).took.record(tookMs),
    latest: (atMs) => {
      at(atMs);
      return past.at(-1) ?? null;
    },
    rows: () => [...past, rowOf(past.length, open)],
  };
};
