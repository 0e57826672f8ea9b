/** The pages of a host's workers as one: each metric by the rule of its declaration. */
import { declaredMetrics, type Fold } from './declare.ts';
import type { Page, Sample } from './exposition.ts';

export type Folded = {
  /** What a worker has told last. */
  readonly heard: (worker: number, page: Page) => void;
  /** The worker is no more. What it has counted stays, or sums would fall and look like a restart of the whole host. */
  readonly gone: (worker: number) => void;
  /** @param primary what the primary counts itself. */
  readonly page: (primary: Page) => Page;
};

export const createFolded = (): Folded => {
  const latest = new Map<number, Page>();
  let departed: Page = {};
  return {
    heard: (worker, page) => {
      latest.set(worker, page);
    },
    gone: (worker) => {
      const last = latest.get(worker);
      latest.delete(worker);
      if (last !== undefined) departed = counted([departed, last]);
    },
    page: (primary) => foldPages({ workers: [...latest.values()], departed, primary }),
  };
};

type Pages = { readonly workers: readonly Page[]; readonly departed: Page; readonly primary: Page };

const foldPages = ({ workers, departed, primary }: Pages): Page => {
  const newest = newestOf(workers);
  const living = [primary, ...workers];
  return Object.fromEntries(
    declaredMetrics.map(({ name, type, fold }) => {
      if (fold === 'primary') return [name, primary[name] ?? []];
      if (fold === 'newest') return [name, newest[name] ?? []];
      return [name, folded(name, fold, type === 'gauge' ? living : [departed, ...living])];
    }),
  );
};

const counted = (pages: readonly Page[]): Page =>
  Object.fromEntries(
    declaredMetrics.flatMap(({ name, type }) => (type === 'gauge' ? [] : [[name, folded(name, 'sum', pages)]])),
  );

const TICKED = 'stationgrid_last_tick_timestamp_seconds';

/** Of the gauges that are read from the database after a tick, one that is there as soon as they are. */
const SURVEYED = 'stationgrid_owed_calls';

/** Of a worker that has ticked and not yet read, half the values of the farm are missing: any other is to be preferred. */
const newestOf = (pages: readonly Page[]): Page => {
  const tickedAt = (page: Page): number => page[TICKED]?.[0]?.value ?? 0;
  const surveyed = pages.filter((page) => (page[SURVEYED] ?? []).length > 0);
  const [first = {}, ...others] = surveyed.length > 0 ? surveyed : pages;
  return others.reduce((newest, page) => (tickedAt(page) > tickedAt(newest) ? page : newest), first);
};

const two: Readonly<Record<Exclude<Fold, 'newest' | 'primary'>, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
};

/** Series of one name and the same labels become one, in the order in which they are met. */
const folded = (name: string, fold: keyof typeof two, pages: readonly Page[]): readonly Sample[] => {
  const series = new Map<string, Sample>();
  for (const sample of pages.flatMap((page) => page[name] ?? [])) {
    const key = keyOf(sample);
    const known = series.get(key);
    series.set(key, known === undefined ? sample : asOne(known, sample, fold));
  }
  return [...series.values()];
};

/** Of two exemplars the newer: its trace is the one that is still kept. */
const asOne = (known: Sample, sample: Sample, fold: keyof typeof two): Sample => {
  const [newer, older] =
    (sample.exemplar?.timestamp ?? 0) > (known.exemplar?.timestamp ?? 0) ? [sample, known] : [known, sample];
  return { ...older, ...newer, value: two[fold](known.value, sample.value) };
};

const keyOf = ({ name, labels }: Sample): string =>
  JSON.stringify([name, ...Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
