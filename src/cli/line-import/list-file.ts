/** One file of a Chrome OS test list: its tree, and where in the file a thing stands. */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isNode, LineCounter, parseDocument } from 'yaml';
import { didYouMean } from '../../config/nearest.ts';
import { EXIT } from '../exit-codes.ts';
import { Failure } from '../failure.ts';

export type Tree = Readonly<Record<string, unknown>>;
export type ListPath = readonly (string | number)[];

export type ListFile = {
  /** As others inherit it: `generic_smt.test_list`. */
  readonly name: string;
  readonly path: string;
  readonly tree: Tree;
  /** `FILE:LINE` of what stands at a path of the tree. */
  readonly at: (path: ListPath) => string;
};

const LIST_KEYS = ['inherit', 'label', 'constants', 'options', 'definitions', 'tests', 'override_args'];
const TEST_KEYS = [
  ...['id', 'label', 'pytest_name', 'args', 'subtests', 'locals', 'inherit', 'run_if', 'iterations', 'retries'],
  ...['parallel', 'teardown', 'action_on_failure', 'child_action_on_failure', 'allow_reboot', 'disable_abort'],
  ...['exclusive_resources', 'enable_services', 'disable_services', 'require_run', 'no_host', 'layout', 'dut_options'],
];

const EXTENSION = '.json';

export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const listFailure = (where: string, what: string, cure: string): Failure =>
  new Failure(EXIT.cannotStart, `${where}: ${what}`, cure);

/** A JSON file, whatever is in it. */
export const readJsonFile = (path: string): { readonly tree: unknown; readonly at: ListFile['at'] } => {
  const text = readFileSync(path, 'utf8');
  const at = locator(path, text);
  try {
    return { tree: withoutComments(JSON.parse(text)), at };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw listFailure(`${path}${brokenLine(text, words)}`, `is no JSON: ${words}`, 'Mend the file at that place.');
  }
};

/** Short texts are quoted in the words, and then without a position. */
const brokenLine = (text: string, words: string): string => {
  const offset = /position (\d+)/.exec(words)?.[1];
  if (offset !== undefined) return `:${String(text.slice(0, Number(offset)).split('\n').length)}`;
  const [first] = parseDocument(text, { logLevel: 'silent' }).errors;
  return first?.linePos === undefined ? '' : `:${String(first.linePos[0].line)}`;
};

/** The YAML parser reads JSON too, and knows its lines. It is asked only when something is wrong. */
const locator = (path: string, text: string): ListFile['at'] => {
  const lines = new LineCounter();
  let document: ReturnType<typeof parseDocument> | null = null;
  return (treePath) => {
    document ??= parseDocument(text, { lineCounter: lines, logLevel: 'silent', uniqueKeys: false });
    const node: unknown = document.getIn(treePath, true);
    const offset = isNode(node) ? node.range?.[0] : undefined;
    return offset === undefined ? path : `${path}:${String(lines.linePos(offset).line)}`;
  };
};

/** Keys that begin with two underscores are comments, but for `__replace__`, which is about merging. */
const withoutComments = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutComments);
  if (!isTree(value)) return value;
  const entries = Object.entries(value).filter(([key]) => !key.startsWith('__') || key === REPLACE);
  return Object.fromEntries(entries.map(([key, member]) => [key, withoutComments(member)]));
};

/** In a struct: it stands in place of the inherited one, and is not merged into it. */
export const REPLACE = '__replace__';

export const nameOf = (path: string): string => basename(path, EXTENSION);

/** A file of a list, its keys known. */
export const toListFile = (path: string, { tree, at }: ReturnType<typeof readJsonFile>): ListFile => {
  if (!isTree(tree)) {
    throw listFailure(path, 'is no test list: it is not an object', 'Give a file such as main.test_list.json.');
  }
  const file = { name: nameOf(path), path, tree, at };
  checkKeys(file, tree, LIST_KEYS, []);
  for (const [name, definition] of Object.entries(treeIn(file, 'definitions'))) {
    checkTest(file, definition, ['definitions', name]);
  }
  for (const [index, test] of testsIn(file, tree['tests'], ['tests']).entries())
    checkTest(file, test, ['tests', index]);
  return file;
};

/** The file that another inherits, which lies beside it or in one of the folders. */
export const findInherited = (by: ListFile, name: string, index: number, folders: readonly string[]): ListFile => {
  const places = [dirname(by.path), ...folders];
  for (const place of places) {
    for (const file of [`${name}${EXTENSION}`, `${name}.test_list${EXTENSION}`, name]) {
      const path = join(place, file);
      const read = readIfThere(path);
      if (read !== null) return toListFile(path, read);
    }
  }
  throw listFailure(
    by.at(['inherit', index]),
    `inherits ${name}, and there is no ${name}${EXTENSION} in ${places.join(', ')}`,
    'Put it beside this file, or name its folder with --include.',
  );
};

const readIfThere = (path: string): ReturnType<typeof readJsonFile> | null => {
  try {
    return readJsonFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EISDIR')) return null;
    throw error;
  }
};

export const treeIn = (file: ListFile, key: string): Tree => {
  const value = file.tree[key] ?? {};
  if (isTree(value)) return value;
  throw listFailure(file.at([key]), `\`${key}\` is no object`, 'Write it as {…}.');
};

/** References and objects, in order. */
export const testsIn = (file: ListFile, value: unknown, path: ListPath): readonly unknown[] => {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw listFailure(file.at(path), `\`${String(path.at(-1))}\` is no list`, 'Write it as […].');
};

const checkTest = (file: ListFile, test: unknown, path: ListPath): void => {
  if (typeof test === 'string') return;
  if (!isTree(test)) {
    throw listFailure(file.at(path), 'a test is neither a name nor an object', 'Name a definition, or write {…}.');
  }
  checkKeys(file, test, TEST_KEYS, path);
  const subtests = testsIn(file, test['subtests'], [...path, 'subtests']);
  for (const [index, subtest] of subtests.entries()) checkTest(file, subtest, [...path, 'subtests', index]);
};

const checkKeys = (file: ListFile, tree: Tree, known: readonly string[], path: ListPath): void => {
  const stray = Object.keys(tree).find((key) => key !== REPLACE && !known.includes(key));
  if (stray === undefined) return;
  const where = path.length === 0 ? '' : ` in ${path.join('.')}`;
  throw listFailure(
    file.at([...path, stray]),
    `unknown key \`${stray}\`${where}${didYouMean(stray, known)}`,
    'Mend its name; a comment begins with two underscores.',
  );
};
