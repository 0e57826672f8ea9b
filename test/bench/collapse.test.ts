import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fallOf, fallWords } from './collapse.ts';
import { knownMisses } from './known-misses.ts';
import { measures } from './list.ts';

const known = [
  { id: 4, ratio: 0.2, recorded: '2026-11-22' },
  { id: 7, ratio: 3, recorded: '2026-11-22' },
];

test.each([
  // By its must.
  [1, 0.36, '≥ 0.7', 'miss', 'stands'],
  [1, 0.34, '≥ 0.7', 'miss', 'collapsed'],
  [5, 3.9, 'p50 ≤ 2, p99 ≤ 3', 'miss', 'stands'],
  [5, 4.1, 'p50 ≤ 2, p99 ≤ 3', 'miss', 'collapsed'],
  [8, 6_000, '≥ 10,000 without an error', 'miss', 'stands'],
  [8, 4_000, '≥ 10,000 without an error', 'miss', 'collapsed'],
  [1, Number.NaN, '≥ 0.7', 'miss', 'collapsed'],
  [1, 0.9, '≥ 0.7', 'pass', 'stands'],
  // A figure beside it may miss while this one is far beyond its must.
  [5, 0.1, 'p50 ≤ 2, p99 ≤ 3', 'miss', 'stands'],
  // By what it had reached.
  [4, 0.11, '≥ 1.2', 'miss', 'stands'],
  [4, 0.09, '≥ 1.2', 'miss', 'collapsed'],
  [7, 5.9, '≤ 1.25', 'miss', 'stands'],
  [7, 6.1, '≤ 1.25', 'miss', 'collapsed'],
  [7, Number.NaN, '≤ 1.25', 'miss', 'collapsed'],
  [4, 0.29, '≥ 1.2', 'miss', 'stands'],
  [4, 0.31, '≥ 1.2', 'miss', 'outgrew'],
  [7, 2.1, '≤ 1.25', 'miss', 'stands'],
  [7, 1.9, '≤ 1.25', 'miss', 'outgrew'],
  [7, 1.2, '≤ 1.25', 'pass', 'outgrew'],
  // The machine was too busy for anything to be said.
  [1, 0.01, '≥ 0.7', 'noisy', 'stands'],
  [7, 99, '≤ 1.25', 'noisy', 'stands'],
  // Without a bound.
  [18, 1, 'all come back', 'miss', 'collapsed'],
  [18, 1, 'all come back', 'pass', 'stands'],
] as const)('row %d with %d, where the must is "%s" and the verdict %s: %s', (id, ratio, must, verdict, fall) => {
  expect(fallOf({ id, ratio, must, verdict }, known)).toBe(fall);
});

test('what has collapsed and what outgrew its record is said with the figures', () => {
  const rows = [
    { id: 1, ratio: 0.9, must: '≥ 0.7', verdict: 'pass' },
    { id: 4, ratio: 0.0512, must: '≥ 1.2', verdict: 'miss' },
    { id: 7, ratio: 1.5, must: '≤ 1.25', verdict: 'miss' },
  ] as const;
  expect(fallWords(rows, known)).toEqual([
    'row 4 has collapsed: 0.0512 (must ≥ 1.2, 0.2 on 2026-11-22)',
    'row 7 does better than its record: 1.5 (must ≤ 1.25, 3 on 2026-11-22). Move it in test/bench/known-misses.ts.',
  ]);
});

test('the misses that are known are of rows that CI runs, and the performance page shows them', () => {
  const quick = new Set(measures.filter(({ inQuick }) => inQuick).map(({ id }) => id));
  expect(knownMisses.filter(({ id }) => !quick.has(id))).toEqual([]);
  const page = readFileSync(new URL('../../docs/explanation/performance.md', import.meta.url), 'utf8');
  const shown = [...page.matchAll(/^\| (\d+) +\| ([\d.]+) +\| [≤≥] [\d.]+ +\| (\d{4}-\d\d-\d\d) \|$/gm)].map(
    ([, id, ratio, recorded]) => ({ id: Number(id), ratio: Number(ratio), recorded }),
  );
  expect(shown).toEqual(knownMisses);
});
