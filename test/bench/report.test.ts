import { expect, test } from 'vitest';
import { BEGIN, END, resultsOf, withResults } from './page.ts';
import { exitCodeOf, furtherOf, jsonLine, kib, markdownOf, ms, rate, type Row, tableOf } from './report.ts';

const row = (changes: Partial<Row> = {}): Row => ({
  id: 5,
  name: 'enqueue to lease',
  ratio: 1.5,
  more: { p99Ratio: 2.25 },
  spread: 0.124,
  baselineSpread: 0.05,
  baseline: '1.00 ms',
  system: '1.50 ms',
  n: 5,
  must: 'p50 ≤ 2, p99 ≤ 3',
  aim: '1.3',
  verdict: 'pass',
  ...changes,
});

test('a line for programs has the second figure as a field of its own', () => {
  expect(JSON.parse(jsonLine(row()))).toEqual({
    id: 5,
    name: 'enqueue to lease',
    ratio: 1.5,
    p99Ratio: 2.25,
    spread: 0.124,
    baseline: '1.00 ms',
    system: '1.50 ms',
    n: 5,
    must: 'p50 ≤ 2, p99 ≤ 3',
    aim: '1.3',
    verdict: 'pass',
  });
});

test.each([
  [['pass', 'pass'], 0],
  [['pass', 'miss'], 1],
  [['noisy', 'miss'], 1],
  [['pass', 'noisy'], 3],
  [[], 0],
] as const)('verdicts %j end with %d', (verdicts, code) => {
  expect(exitCodeOf(verdicts.map((verdict) => ({ verdict })))).toBe(code);
});

test('figures come with their unit and no more digits than mean something', () => {
  expect([rate(8123.4), ms(1.234), ms(12.34), ms(123.4), kib(2048)]).toEqual([
    '8,123 /s',
    '1.23 ms',
    '12.3 ms',
    '123 ms',
    '2.0 KiB',
  ]);
});

test('the table for eyes and the one for the docs say the same', () => {
  const cells = ['5', 'enqueue to lease', '1.5', '12 %', '1.00 ms', '1.50 ms', '5', 'p50 ≤ 2, p99 ≤ 3', '1.3', 'pass'];
  expect(markdownOf([row()]).split('\n')[2]).toBe(`| ${cells.join(' | ')} |`);
  for (const cell of cells) expect(tableOf([row()])).toContain(cell);
  expect(furtherOf([row(), row({ id: 6, more: {} })])).toEqual(['5: p99Ratio 2.25']);
});

test('a run replaces the results of the one before, and nothing else of the page', () => {
  const page = `# Before\n\n${BEGIN}\n\nold\n\n${END}\n\nafter\n`;
  const plot = { title: 'Cost against backlog', x: 'jobs', y: 'ms', points: [[1, 1]] as const };
  const results = resultsOf([row({ plot })], {
    command: 'npm run bench',
    machine: 'two cores',
    date: new Date('2026-11-22T10:00:00Z'),
  });
  const written = withResults(page, results);
  expect(written).toMatch(/^# Before\n/);
  expect(written).toMatch(/\nafter\n$/);
  expect(written).not.toContain('old');
  expect(written).toContain('`npm run bench`, 2026-11-22, on two cores:');
  expect(written).toContain('![Cost against backlog](performance/measure-05.svg)');
  expect(withResults(written, results)).toBe(written);
});

test('a page without its marks is left alone', () => {
  expect(() => withResults(`${END} ${BEGIN}`, 'new')).toThrow('lost the marks');
});
