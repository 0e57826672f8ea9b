import { expect, test } from 'vitest';
import { comparePairs, judge, median, pairsOf, percentile, spreadOf, worst } from './compare.ts';

test('runs A-B-A-B and throws the first pair away', async () => {
  const ran: string[] = [];
  const give = (side: string, values: number[]) => () => {
    ran.push(side);
    return Promise.resolve(values.shift()!);
  };
  const pairs = await comparePairs({
    pairs: 2,
    baseline: give('A', [1, 100, 200]),
    system: give('B', [1, 50, 150]),
  });
  expect(ran.join('')).toBe('ABABAB');
  expect(pairs).toEqual({
    ratios: [0.5, 0.75],
    ratio: 0.625,
    spread: 0.4,
    baselineSpread: 100 / 150,
    baseline: 150,
    system: 100,
    n: 2,
  });
});

test('the ratio is the median of the ratios, not the ratio of the medians', () => {
  // The machine slowed down half-way, for both.
  expect(pairsOf([100, 100, 10], [80, 80, 8]).ratio).toBeCloseTo(0.8);
  expect(pairsOf([100, 10, 10], [90, 8, 7]).ratio).toBeCloseTo(0.8);
});

test.each([
  [[3, 1, 2], 50, 2],
  [[1, 2, 3, 4], 50, 2.5],
  [[1, 2, 3, 4, 5], 99, 4.96],
  [[7], 99, 7],
  [[1, 9], 0, 1],
  [[1, 9], 100, 9],
])('of %j the percentile %d is %d', (values, percent, expected) => {
  expect(percentile(values, percent)).toBeCloseTo(expected);
});

test('of nothing there is no median', () => {
  expect(median([])).toBeNaN();
});

test('the spread is the whole range over the median', () => {
  expect(spreadOf([90, 100, 120])).toBeCloseTo(0.3);
  expect(spreadOf([100])).toBe(0);
});

test.each([
  [0.7, 'higher', 0.7, 0.1, 'pass'],
  [0.69, 'higher', 0.7, 0.1, 'miss'],
  [2, 'lower', 2, 0.1, 'pass'],
  [2.01, 'lower', 2, 0.1, 'miss'],
  // Nobody knows whether that is good: the baseline itself was not.
  [0.1, 'higher', 0.7, 0.16, 'noisy'],
  [0.9, 'higher', 0.7, 0.16, 'noisy'],
  [0.9, 'higher', 0.7, 0.15, 'pass'],
  [5, 'lower', 10, null, 'pass'],
  [Number.NaN, 'lower', 10, null, 'miss'],
  [Number.NaN, 'higher', 10, null, 'miss'],
] as const)(
  '%d, where %s than %d is better and the baseline wanders by %s, is %s',
  (ratio, better, must, by, verdict) => {
    expect(judge(ratio, { must, better }, by)).toBe(verdict);
  },
);

test.each([
  [['pass', 'pass'], 'pass'],
  [['pass', 'noisy'], 'noisy'],
  [['noisy', 'miss'], 'miss'],
] as const)('of %j the worst is %s', (verdicts, expected) => {
  expect(worst(verdicts)).toBe(expected);
});
