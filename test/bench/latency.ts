/** Latencies side by side: medians pair by pair, and the slow end over all the samples. */
import { comparePairs, judge, type Pairs, percentile, worst } from './compare.ts';
import type { Reading } from './measure.ts';
import { compared, ms } from './report.ts';

/** Once; how long it took, in ms. */
export type Timed = () => Promise<number>;

export const compareLatencies = async (given: {
  readonly pairs: number;
  /** Samples of one side of one pair. */
  readonly samples: number;
  readonly baseline: Timed;
  readonly system: Timed;
}): Promise<{ readonly p50: Pairs; readonly p99Ratio: number; readonly p99: readonly [number, number] }> => {
  const all = { baseline: [] as number[][], system: [] as number[][] };
  const sample = (side: 'baseline' | 'system') => async (): Promise<number> => {
    const taken: number[] = [];
    for (let n = 0; n < given.samples; n += 1) taken.push(await given[side]());
    all[side].push(taken);
    return percentile(taken, 50);
  };
  const p50 = await comparePairs({ pairs: given.pairs, baseline: sample('baseline'), system: sample('system') });
  // The first pair warmed up.
  const p99 = [percentile(all.baseline.slice(1).flat(), 99), percentile(all.system.slice(1).flat(), 99)] as const;
  return { p50, p99Ratio: p99[1] / p99[0], p99 };
};

/** The reading of a row whose must is about p50 and p99. */
export const latencyReading = (
  { p50, p99Ratio, p99 }: Awaited<ReturnType<typeof compareLatencies>>,
  must: { readonly p50: number; readonly p99: number },
): Omit<Reading, 'aim'> => ({
  ...compared(p50, ms),
  more: { p99Ratio, p99BaselineMs: p99[0], p99SystemMs: p99[1] },
  must: `p50 ≤ ${must.p50}, p99 ≤ ${must.p99}`,
  verdict: worst([
    judge(p50.ratio, { must: must.p50, better: 'lower' }, p50.baselineSpread),
    judge(p99Ratio, { must: must.p99, better: 'lower' }, p50.baselineSpread),
  ]),
});

/** Between two samples, so that each finds everything at rest. */
export const REST_MS = 10;
