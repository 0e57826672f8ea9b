/** What CI asks of a run: not whether the farm is fast, but whether it fell far behind what it was. */
import { knownMisses, type KnownMiss } from './known-misses.ts';
import type { Row } from './report.ts';

export type Fall = 'collapsed' | 'stands' | 'outgrew';
type Read = Pick<Row, 'id' | 'ratio' | 'must' | 'verdict'>;

/** What a must says of `ratio`: its first bound, such as ≥ 0.7 or ≤ 2. */
const BOUND = /([≤≥]) ?([\d.,]+)/;

/** Twice as bad is a collapse. No noise explains that, but for that of a baseline, whose row is then said to be noisy. */
const COLLAPSE = 2;
/** A record is outgrown when the row does better by as much as no wandering explains. */
const OUTGROWN = 1.5;

/**
 * A row with a known miss is measured by what it had reached, any other by its must. A must without a bound collapses when
 * it is missed.
 */
export const fallOf = ({ id, ratio, must, verdict }: Read, known: readonly KnownMiss[] = knownMisses): Fall => {
  if (verdict === 'noisy') return 'stands';
  const [, sign, figures] = BOUND.exec(must) ?? [];
  if (sign === undefined || figures === undefined) return verdict === 'miss' ? 'collapsed' : 'stands';
  const miss = known.find((each) => each.id === id);
  const bound = miss?.ratio ?? Number(figures.replaceAll(',', ''));
  const good = sign === '≥' ? ratio / bound : bound / ratio;
  // Written so that a figure which is none, NaN, has collapsed.
  if (!(good >= 1 / COLLAPSE)) return 'collapsed';
  return miss !== undefined && (good >= OUTGROWN || verdict === 'pass') ? 'outgrew' : 'stands';
};

/** A line for each row of which there is something to say. */
export const fallWords = (rows: readonly Read[], known: readonly KnownMiss[] = knownMisses): readonly string[] =>
  rows.flatMap((row) => {
    const { id, ratio, must } = row;
    const miss = known.find((each) => each.id === id);
    const record = miss === undefined ? '' : `, ${miss.ratio} on ${miss.recorded}`;
    const figures = `${Number(ratio.toPrecision(3))} (must ${must}${record})`;
    switch (fallOf(row, known)) {
      case 'collapsed':
        return [`row ${id} has collapsed: ${figures}`];
      case 'outgrew':
        return [`row ${id} does better than its record: ${figures}. Move it in test/bench/known-misses.ts.`];
      case 'stands':
        return [];
    }
  });
