/** Which format a scraper asked for (RFC 9110, Accept). */
import type { Format } from './exposition.ts';

type Range = { readonly type: string; readonly version: string | null; readonly q: number; readonly place: number };
/** How well a format is wanted: by weight, then by how exactly it was named, then by who came first. */
type Wish = { readonly q: number; readonly exact: number; readonly place: number };

const offers: Readonly<Record<Format, { readonly type: string; readonly version: string }>> = {
  text: { type: 'text/plain', version: '0.0.4' },
  openmetrics: { type: 'application/openmetrics-text', version: '1.0.0' },
};

/**
 * The text format is the default: without a header, when anything will do, and when nothing that was asked for is here (a
 * scraper is better served with what it can probably read than with 406).
 */
export const formatFor = (accept: string | undefined): Format => {
  const ranges = (accept ?? '').split(',').flatMap(toRange);
  const text = wishFor('text', ranges);
  const openmetrics = wishFor('openmetrics', ranges);
  if (openmetrics === null || openmetrics.q === 0) return 'text';
  if (text === null) return 'openmetrics';
  const difference = openmetrics.q - text.q || openmetrics.exact - text.exact || text.place - openmetrics.place;
  return difference > 0 ? 'openmetrics' : 'text';
};

/** The most exact range that covers the format decides its weight. */
const wishFor = (format: Format, ranges: readonly Range[]): Wish | null => {
  const { type, version } = offers[format];
  const anyOfKind = type.replace(/\/.*/, '/*');
  const wishes = ranges.flatMap((range): Wish[] => {
    const { q, place } = range;
    if (range.type === '*/*') return [{ q, place, exact: 0 }];
    if (range.type === anyOfKind) return [{ q, place, exact: 1 }];
    if (range.type !== type || (range.version !== null && range.version !== version)) return [];
    return [{ q, place, exact: range.version === null ? 2 : 3 }];
  });
  return wishes.toSorted((a, b) => b.exact - a.exact || b.q - a.q)[0] ?? null;
};

const toRange = (written: string, place: number): Range[] => {
  const [type = '', ...parameters] = written.split(';').map((part) => part.trim().toLowerCase());
  if (type === '') return [];
  const valueOf = (name: string): string | null =>
    parameters
      .find((parameter) => parameter.startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .replaceAll('"', '') ?? null;
  const q = Number(valueOf('q') ?? 1);
  return [{ type, version: valueOf('version'), q: q >= 0 && q <= 1 ? q : 0, place }];
};
