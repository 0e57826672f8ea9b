/** Latencies as HDR histograms: exact to three digits from a microsecond to a day, in constant memory. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** From which moment to which, for the table and for JSON. Every one begins when it was meant to, not when there was time. */
export const stageMeanings = {
  enqueue: 'a job due → its enqueue answered',
  lease: 'a job due → in the hands of a bot',
  completion: 'a station done → its completion acknowledged',
  job: 'a job due → its completion acknowledged',
  lag: 'a job due → sent: what the generator itself was late',
} as const;

export type Stage = keyof typeof stageMeanings;
export const stages = toStages(stageMeanings);

/** Milliseconds; null where nothing was recorded. */
export type Percentiles = {
  readonly n: number;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly p999: number | null;
  readonly max: number | null;
};

const LONGEST_US = 86_400_000_000;
const DIGITS = 3;

export type Latencies = {
  readonly record: (ms: number) => void;
  readonly read: () => Percentiles;
};

export const createLatencies = (): Latencies => {
  const histogram = createHistogram({ lowest: 1, highest: LONGEST_US, figures: DIGITS });
  return {
    record: (ms) => histogram.record(Math.min(LONGEST_US, Math.max(1, Math.round(ms * 1000)))),
    read: () => percentilesOf(histogram),
  };
};

const percentilesOf = (histogram: RecordableHistogram): Percentiles => {
  const n = histogram.count;
  if (n === 0) return { n, p50: null, p90: null, p99: null, p999: null, max: null };
  const at = (share: number): number => histogram.percentile(share) / 1000;
  return { n, p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: histogram.max / 1000 };
};

export type Figures = {
  readonly record: (stage: Stage, ms: number) => void;
  readonly read: (stage: Stage) => Percentiles;
};

export const createFigures = (): Figures => {
  const byStage = new Map(stages.map((stage) => [stage, createLatencies()]));
  const of = (stage: Stage): Latencies => byStage.get(stage) ?? createLatencies();
  return { record: (stage, ms) => of(stage).record(ms), read: (stage) => of(stage).read() };
};

function toStages(table: typeof stageMeanings): readonly Stage[] {
  return Object.keys(table) as Stage[];
}
