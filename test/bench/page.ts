/** The results in docs/explanation/performance.md: the last real run, and nothing that a person typed. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { plotSvg } from './plot.ts';
import { furtherOf, markdownOf, type Row } from './report.ts';

const PAGE = fileURLToPath(new URL('../../docs/explanation/performance.md', import.meta.url));
const PLOTS = fileURLToPath(new URL('../../docs/explanation/performance/', import.meta.url));
export const BEGIN = '<!-- results: written by `npm run bench -- --write` -->';
export const END = '<!-- end of results -->';

export type Run = { readonly command: string; readonly machine: string; readonly date: Date };

export const writePage = (rows: readonly Row[], run: Run): void => {
  rmSync(PLOTS, { recursive: true, force: true });
  mkdirSync(PLOTS, { recursive: true });
  for (const { id, plot } of rows) if (plot !== undefined) writeFileSync(PLOTS + plotName(id), plotSvg(plot));
  writeFileSync(PAGE, withResults(readFileSync(PAGE, 'utf8'), resultsOf(rows, run)));
};

const plotName = (id: number): string => `measure-${String(id).padStart(2, '0')}.svg`;

export const resultsOf = (rows: readonly Row[], { command, machine, date }: Run): string => {
  const further = furtherOf(rows).map((line) => `- ${line}`);
  const plots = rows.flatMap(({ id, plot }) =>
    plot === undefined ? [] : [`![${plot.title}](performance/${plotName(id)})`],
  );
  return [
    `\`${command}\`, ${date.toISOString().slice(0, 10)}, on ${machine}:`,
    markdownOf(rows),
    ...(further.length === 0 ? [] : ['Further figures, by the number of their row:', further.join('\n')]),
    ...plots,
  ].join('\n\n');
};

/** The page with what stands between its marks replaced. */
export const withResults = (page: string, results: string): string => {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has lost the marks between which the results are written`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${results}\n\n${page.slice(end)}`;
};
