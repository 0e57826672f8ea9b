/** Secrets by file: `databaseUrlFile: /run/secrets/url` stands for `databaseUrl` with the file's text. */
import { readFileSync, statSync } from 'node:fs';
import { isOpenToOthers, modeText } from '../core/file-mode.ts';
import { type Node, pathText, isTree } from './tree.ts';

const SECRET_BYTES_MAX = 65_536;
const SUFFIX = 'File';

/** `tree` with every `…File` replaced by what it names, and empty sections left out; what is wrong goes to `problems`. */
export const readSecretFiles = (
  node: Node,
  tree: unknown,
  problems: string[],
  path: readonly (string | number)[] = [],
): unknown => {
  if (node.kind === 'list' && Array.isArray(tree))
    return tree.map((element, index) => readSecretFiles(node.element, element, problems, [...path, index]));
  if (node.kind !== 'group' || !isTree(tree)) return tree;
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(tree)) {
    const key = node.keys.get(name);
    const secret = name.endsWith(SUFFIX) ? node.keys.get(name.slice(0, -SUFFIX.length)) : undefined;
    if (key === undefined && secret?.says?.secret === true) {
      if (secret.name in tree)
        problems.push(`${pathText([...path, name])}: \`${secret.name}\` is given too; keep one of the two`);
      const found = readSecret(value);
      if (found.kind === 'secret') read[secret.name] = found.text;
      else problems.push(`${pathText([...path, name])}: ${found.problem}`);
    } else if (key !== undefined && !isEmptySection(key.node, value)) {
      read[name] = readSecretFiles(key.node, value, problems, [...path, name]);
    } else if (key === undefined) {
      read[name] = value;
    }
  }
  return read;
};

/** YAML reads a section whose lines are all commented out as null. */
const isEmptySection = (node: Node, value: unknown): boolean =>
  value === null && node.kind !== 'value' && !(node.kind === 'group' && node.nullable);

type Found =
  { readonly kind: 'secret'; readonly text: string } | { readonly kind: 'problem'; readonly problem: string };

const readSecret = (file: unknown): Found => {
  if (typeof file !== 'string') return { kind: 'problem', problem: 'is no path of a file' };
  try {
    const { mode, uid, size } = statSync(file);
    if (isOpenToOthers({ mode, uid }, process.getuid?.() ?? null))
      return {
        kind: 'problem',
        problem: `others may read ${file} (mode ${modeText(mode)}); run: chmod 600 ${file}`,
      };
    if (size > SECRET_BYTES_MAX) return { kind: 'problem', problem: `${file} is too big for a secret` };
    return { kind: 'secret', text: readFileSync(file, 'utf8').trimEnd() };
  } catch (error) {
    return {
      kind: 'problem',
      problem: `cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
};
