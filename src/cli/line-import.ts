/** `stationgrid line import`: a Chrome OS test list as a line of the configuration. */
import { writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { readJsonFile, toListFile, type Tree } from './line-import/list-file.ts';
import { mergeLists } from './line-import/merge-lists.ts';
import { resolveTests, type TestNode } from './line-import/resolve-tests.ts';
import { toResolvedTests } from './line-import/resolved-list.ts';
import { type ImportedLine, toLine } from './line-import/to-line.ts';
import type { Terminal } from './terminal.ts';

export type ImportLineOptions = {
  readonly include?: readonly string[];
  readonly instance?: string;
  readonly shopfloor?: string;
  readonly output?: string;
};

export const importLine = async (terminal: Terminal, path: string, options: ImportLineOptions): Promise<ExitCode> => {
  const { root, about } = readList(path, options.include ?? []);
  const line = toLine(root, {
    instance: options.instance ?? null,
    shopfloorUrl: options.shopfloor ?? null,
    about,
  });
  const text = toText(line);
  if (options.output === undefined) terminal.print(text.trimEnd());
  else await writeFile(options.output, text);
  const count = line.stations.reduce((sum, { tests }) => sum + tests.length, 0);
  const names = line.stations.map(({ name }) => name).join(', ');
  terminal.say(`${String(line.stations.length)} stations (${names}), ${String(count)} tests.`);
  return EXIT.ok;
};

const readList = (path: string, folders: readonly string[]): { readonly root: TestNode; readonly about: Tree } => {
  const read = readJsonFile(path);
  if (Array.isArray(read.tree)) return { root: toResolvedTests(read.tree, path), about: {} };
  const list = mergeLists(toListFile(path, read), folders);
  const root = resolveTests(list);
  const about = Object.entries(list.tree).filter(([key]) => key === 'options' || key === 'constants');
  return { root, about: Object.fromEntries(about) };
};

const toText = (line: ImportedLine): string =>
  [
    `# The test list ${line.testList.id}, by \`stationgrid line import\`. What each key means: docs/reference/config.md.`,
    '# Serve it as it is, or copy the line into your configuration. `eval! …` is for the software on the DUT.',
    stringify({ lines: [line] }, { lineWidth: 0, aliasDuplicateObjects: false }),
  ].join('\n');
