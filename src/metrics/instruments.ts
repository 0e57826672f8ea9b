/** The table of declare.ts as living instruments. */
import { Counter, Gauge, Histogram } from 'prom-client';
import { declaredMetrics, type DeclaredMetric, type MetricName, type MetricTable, withExemplars } from './declare.ts';
import type { Exemplar, Family, Page } from './exposition.ts';

type LabelOf<N extends MetricName> = MetricTable[N]['labels'][number];
type InstrumentOf<N extends MetricName> = {
  counter: Counter<LabelOf<N>>;
  gauge: Gauge<LabelOf<N>>;
  histogram: Histogram<LabelOf<N>>;
}[MetricTable[N]['type']];

export type Instruments = { readonly [N in MetricName]: InstrumentOf<N> };

export const createInstruments = (): Instruments =>
  toInstruments(Object.fromEntries(declaredMetrics.map((declared) => [declared.name, instrument(declared)])));

/**
 * Each stands alone, in no registry: a Registry of prom-client 15 has one content type at a time, and to print
 * OpenMetrics strips `_total` off its counters for good, so that the next scrape in the text format has other names.
 */
const instrument = ({ name, type, help, labels, buckets }: DeclaredMetric & { readonly name: string }) => {
  const parts = { name, help, labelNames: labels, registers: [] };
  switch (type) {
    case 'counter':
      return new Counter(parts);
    case 'gauge':
      return new Gauge(parts);
    case 'histogram':
      return new Histogram({ ...parts, buckets: [...(buckets ?? [])], enableExemplars: withExemplars.has(name) });
  }
};

/** Entries lose their key types; that they come from the very table that the type is made of is what makes this true. */
function toInstruments(entries: Readonly<Record<string, Counter | Gauge | Histogram>>): Instruments {
  return entries as unknown as Instruments;
}

/** All samples as they stand. */
export const pageOf = async (instruments: Instruments): Promise<Page> => {
  const byName: Readonly<Record<string, Counter | Gauge | Histogram>> = instruments;
  const entries = Object.entries(byName).map(async ([name, each]) => {
    const { values } = await each.get();
    return [name, values.map((sample) => ({ name, ...renamed(sample) }))] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
};

/** In the order of the table. */
export const familiesOf = (page: Page): readonly Family[] =>
  declaredMetrics.map(({ name, type, help }) => ({ name, type, help, samples: page[name] ?? [] }));

/** Buckets, sum and count of a histogram carry their own names. */
const renamed = (sample: {
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
  readonly metricName?: string;
  readonly exemplar?: Exemplar | null;
}) => ({
  labels: sample.labels,
  value: sample.value,
  ...(sample.metricName === undefined ? {} : { name: sample.metricName }),
  // A bucket that nothing has been observed in has an empty one.
  ...(sample.exemplar?.timestamp === undefined ? {} : { exemplar: sample.exemplar }),
});
