/** What a run has found: lines for programs, a table for eyes, a table for the docs, and an exit code. */
import { arch, cpus, platform, release, totalmem } from 'node:os';
import Table from 'cli-table3';
import type { Pairs } from './compare.ts';
import type { Measure, Reading } from './measure.ts';

export const exitCodes = { pass: 0, miss: 1, usage: 2, noisy: 3 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export type Row = Pick<Measure, 'id' | 'name'> & Reading;

/** A miss is a miss, whatever else was too noisy to judge. */
export const exitCodeOf = (rows: readonly Pick<Row, 'verdict'>[]): ExitCode => {
  const verdicts = new Set(rows.map(({ verdict }) => verdict));
  if (verdicts.has('miss')) return exitCodes.miss;
  return verdicts.has('noisy') ? exitCodes.noisy : exitCodes.pass;
};

/** One object on a line of its own. */
export const jsonLine = ({
  id,
  name,
  ratio,
  more = {},
  spread,
  baseline,
  system,
  n,
  must,
  aim,
  verdict,
}: Row): string => JSON.stringify({ id, name, ratio, ...more, spread, baseline, system, n, must, aim, verdict });

/** What two sides of a comparison say of themselves, in one unit. */
export const compared = (
  { ratio, spread, baselineSpread, baseline, system, n }: Pairs,
  unit: (value: number) => string,
): Pick<Reading, 'ratio' | 'spread' | 'baselineSpread' | 'baseline' | 'system' | 'n'> => ({
  ratio,
  spread,
  baselineSpread,
  baseline: unit(baseline),
  system: unit(system),
  n,
});

export const count = (value: number): string => Math.round(value).toLocaleString('en-US');
export const rate = (perSecond: number): string => `${count(perSecond)} /s`;
export const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
export const seconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} s`;
export const kib = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;

const HEAD = ['#', 'Measure', 'Ratio', 'Spread', 'Baseline', 'System', 'n', 'Must', 'Aim', 'Verdict'] as const;

const cellsOf = ({ id, name, ratio, spread, baseline, system, n, must, aim, verdict }: Row): readonly string[] => [
  String(id),
  name,
  figure(ratio),
  percent(spread),
  baseline,
  system,
  String(n),
  must,
  aim,
  verdict,
];

export const tableOf = (rows: readonly Row[]): string => {
  const table = new Table({ head: [...HEAD], style: { head: [], border: [] } });
  table.push(...rows.map((row) => [...cellsOf(row)]));
  return table.toString();
};

export const markdownOf = (rows: readonly Row[]): string =>
  [HEAD, HEAD.map(() => '---'), ...rows.map(cellsOf)].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** Further figures, a line for each row that has any. */
export const furtherOf = (rows: readonly Row[]): readonly string[] =>
  rows.flatMap(({ id, more = {} }) => {
    const figures = Object.entries(more).map(([field, value]) => `${field} ${figure(value)}`);
    return figures.length === 0 ? [] : [`${id}: ${figures.join(', ')}`];
  });

/** Three digits that mean something, and no exponent. */
const figure = (value: number): string =>
  Number.isFinite(value) ? (Math.abs(value) >= 100 ? count(value) : String(Number(value.toPrecision(3)))) : '–';

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

/** On what it was measured. */
export const machineWords = (): string => {
  const processors = cpus();
  const gib = (totalmem() / 2 ** 30).toFixed(0);
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  return `${processors.length} × ${model}, ${gib} GiB, ${platform()} ${release()} ${arch()}, Node ${process.version}`;
};
