/** docs/reference/config.md, told by the schema itself. */
import { configSchema } from './schema.ts';
import { isSaidInOne, type Key, type Node, nodeOf, pathText, variableOf } from './tree.ts';

const preface = `# Configuration

<!-- Written by scripts/write-config-reference.mjs from src/config/schema.ts and src/core/limits.ts. Do not edit. -->

One schema for three places: a YAML file (\`--config FILE\` or \`STATIONGRID_CONFIG\`), variables of the environment, and
flags. Flags win over the environment, the environment over the file, the file over the defaults. An unknown key is
refused, with the nearest known name. \`examples/line.yaml\` is a file to start from; \`stationgrid config print\` shows
what is in force.

- **Durations** are text: \`250 ms\`, \`90 s\`, \`5 min\`, \`1 h\`, \`7 d\`. A bare number means seconds. At most 24 d.
- **Sizes** are text: \`4 KiB\`, \`1 MiB\`. A bare number means bytes. At most 1024 TiB.
- **Addresses** are \`HOST:PORT\`, an IPv6 host in brackets: \`[::1]:50051\`. Port 0 lets the system choose.
- **Secrets** may stand in a file of their own, which nobody else can read (mode 0600): the key with \`File\` behind it
  (\`databaseUrlFile: /run/secrets/url\`), the variable with \`_FILE\`. They are printed as \`***\`.
- **Paths** are relative to the working directory.
- An empty variable counts as not set. A key without a flag of its own can be set by \`--set limits.session.ttl=2min\`.
- The lines of a farm are declared in the file only.
`;

type Section = { readonly path: readonly string[]; readonly keys: readonly Key[]; readonly inList: boolean };

/** A section for each group, in the order of the schema; inside lists there are no variables. */
const sectionsOf = (node: Node, path: readonly string[] = [], inList = false): readonly Section[] => {
  if (node.kind === 'list') return sectionsOf(node.element, [...path.slice(0, -1), `${path.at(-1) ?? ''}[]`], true);
  if (node.kind === 'value') return [];
  const keys = [...node.keys.values()];
  const own = keys.filter((key) => key.says !== null);
  return [
    ...(own.length > 0 ? [{ path, keys: own, inList }] : []),
    ...keys.flatMap((key) => sectionsOf(key.node, [...path, key.name], inList)),
  ];
};

const code = (text: string): string => `\`${text}\``;

const cellsOf = ({ path, inList }: Section, key: Key): readonly string[] => {
  const { meaning, byDefault, flag, secret } = key.says ?? { meaning: '', byDefault: null };
  const name = code(key.name) + (secret === true ? `, ${code(`${key.name}File`)}` : '');
  const means = meaning + (flag === undefined ? '' : ` Flag: ${code(flag)}.`);
  const variable = isSaidInOne(key.node) ? code(variableOf([...path, key.name])) : '';
  return [name, byDefault ?? '(required)', means, ...(inList ? [] : [variable])];
};

/** Columns are aligned, as the formatter of this repository would: the page is read as plain text too. */
const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((cells) => (cells[column] ?? '').length)));
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [row(head), row(widths.map((width) => '-'.repeat(width))), ...rows.map(row)];
};

const sectionText = (section: Section): string => {
  const title = section.path.length === 0 ? 'The top' : code(pathText(section.path));
  const head = ['Key', 'Default', 'Meaning', ...(section.inList ? [] : ['Variable'])];
  const rows = section.keys.map((key) => cellsOf(section, key));
  return [`## ${title}`, '', ...tableOf(head, rows), ''].join('\n');
};

/** The whole page, as Markdown. */
export const configReference = (): string => [preface, ...sectionsOf(nodeOf(configSchema)).map(sectionText)].join('\n');
