import { expect, test } from 'vitest';
import { niceStep, plotSvg } from './plot.ts';

const points = [
  [0, 10],
  [50, 20],
  [100, 40],
] as const;

test('draws each point once, in order, and the costs from zero', () => {
  const svg = plotSvg({ title: 'Cost', x: 'bots', y: 'ms', points });
  expect(svg.match(/<circle /g)).toHaveLength(3);
  // The costs stand on a floor at 272, and the top of their scale, 40, is at 36.
  expect(svg).toContain('points="72,213 348,154 624,36"');
});

test('a wide range of x is drawn by its logarithm', () => {
  const svg = plotSvg({
    title: 'Cost',
    x: 'jobs',
    y: 'ms',
    points: [
      [1_000, 1],
      [31_623, 1],
      [1_000_000, 1],
    ],
  });
  expect(svg).toContain('points="72,36 348,36 624,36"');
});

test('words of a title cannot end it', () => {
  expect(plotSvg({ title: 'a < b & c', x: '', y: '', points })).toContain('<title>a &lt; b &amp; c</title>');
});

test.each([
  [0.3, 0.5],
  [1, 1],
  [3, 5],
  [7, 10],
  [1_200, 2_000],
  [0, 1],
])('steps of at least %d are %d', (least, step) => {
  expect(niceStep(least)).toBeCloseTo(step);
});
