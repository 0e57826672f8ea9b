/** Baseline and system side by side, and what may be said of the outcome. */
import type { Judged, Verdict } from './measure.ts';

/** A baseline that wanders further, relative to its median, says more about the machine than about the system. */
export const BASELINE_SPREAD_MAX = 0.15;

export type Pairs = {
  /** System over baseline, one for each pair, in the order of running. */
  readonly ratios: readonly number[];
  /** The median of `ratios`: each pair ran close together, so that slow drifts of the machine cancel out. */
  readonly ratio: number;
  readonly spread: number;
  readonly baselineSpread: number;
  /** Medians, in the unit of what ran. */
  readonly baseline: number;
  readonly system: number;
  /** Pairs that count. */
  readonly n: number;
};

/** Runs A-B-A-B. The first pair warms up both sides and is thrown away. */
export const comparePairs = async (given: {
  readonly pairs: number;
  readonly baseline: () => Promise<number>;
  readonly system: () => Promise<number>;
}): Promise<Pairs> => {
  const baselines: number[] = [];
  const systems: number[] = [];
  for (let pair = 0; pair <= given.pairs; pair += 1) {
    const baseline = await given.baseline();
    const system = await given.system();
    if (pair === 0) continue;
    baselines.push(baseline);
    systems.push(system);
  }
  return pairsOf(baselines, systems);
};

/** Both lists in the order of running, equally long. */
export const pairsOf = (baselines: readonly number[], systems: readonly number[]): Pairs => {
  const ratios = systems.map((system, at) => system / (baselines[at] ?? Number.NaN));
  return {
    ratios,
    ratio: median(ratios),
    spread: spreadOf(ratios),
    baselineSpread: spreadOf(baselines),
    baseline: median(baselines),
    system: median(systems),
    n: ratios.length,
  };
};

/** @param baselineSpread null: there is no baseline, and the figure speaks for itself. */
export const judge = (
  ratio: number,
  { must, better }: Pick<Judged, 'must' | 'better'>,
  baselineSpread: number | null,
): Verdict => {
  if (baselineSpread !== null && baselineSpread > BASELINE_SPREAD_MAX) return 'noisy';
  // Written so that a figure which is none, NaN, misses.
  return (better === 'higher' ? ratio >= must : ratio <= must) ? 'pass' : 'miss';
};

/** The verdict on a row that is judged by several figures. What is surely missed is not made better by noise elsewhere. */
export const worst = (verdicts: readonly Verdict[]): Verdict => {
  if (verdicts.includes('miss')) return 'miss';
  return verdicts.includes('noisy') ? 'noisy' : 'pass';
};

export const median = (values: readonly number[]): number => percentile(values, 50);

/** (max − min) / median; 0 for a single value, since it does not wander. */
export const spreadOf = (values: readonly number[]): number =>
  values.length < 2 ? 0 : (Math.max(...values) - Math.min(...values)) / median(values);

/** Between two ranks it interpolates. NaN for no values. @param percent 0 to 100. */
export const percentile = (values: readonly number[], percent: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(rank)] ?? Number.NaN;
  const above = sorted[Math.ceil(rank)] ?? Number.NaN;
  return below + (above - below) * (rank - Math.floor(rank));
};
