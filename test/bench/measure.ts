/** What one row of the bench is, and what it reads off. */
import type { BenchSite } from './site.ts';

/** How a ratio is judged: by its must. The aim is where we want to be; nobody fails for it. */
export type Judged = {
  readonly ratio: number;
  readonly must: number;
  readonly aim: number;
  readonly better: 'higher' | 'lower';
};

/** Noisy: nothing may be said about the system, since the baseline wandered too much, or cannot be had on this machine. */
export type Verdict = 'pass' | 'miss' | 'noisy';

export type Reading = {
  /** The first figure of the Must column. */
  readonly ratio: number;
  /** Further figures, by the field's name, e.g. p99Ratio, p99Must. */
  readonly more?: Readonly<Record<string, number>>;
  /** Relative spread (max-min)/median of the ratios of the pairs. */
  readonly spread: number;
  /** Relative spread of the baseline alone; null: there is no baseline. */
  readonly baselineSpread: number | null;
  /** Absolute figures with their unit, for people: "8,123 /s". */
  readonly baseline: string;
  readonly system: string;
  /** Pairs, or samples. */
  readonly n: number;
  /** As the bench's table says them. */
  readonly must: string;
  readonly aim: string;
  readonly verdict: Verdict;
  readonly plot?: Plot;
};

/** What a row is compared with cannot be had on this machine. */
export class NoBaseline extends Error {}

export type Plot = {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly points: readonly (readonly [number, number])[];
};

export type Bench = {
  readonly quick: boolean;
  /** How often baseline and system alternate, after one pair that warms up. */
  readonly pairs: number;
  /** A line for whoever watches; never part of the result. */
  readonly say: (words: string) => void;
  readonly site: BenchSite;
};

export type Measure = {
  readonly id: number;
  readonly name: string;
  readonly inQuick: boolean;
  readonly run: (bench: Bench) => Promise<Reading>;
};
