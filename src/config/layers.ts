/** The three places that speak: the file, the environment, the flags. Each becomes a tree of the schema's shape. */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { didYouMean } from './nearest.ts';
import { type Leaf, merge, pathText, single, variableOf } from './tree.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
/** Options as the command line parses them, in camel case; `set` holds `path=value`, for keys without a flag. */
export type Flags = Readonly<Record<string, string | readonly string[] | undefined>>;

const PREFIX = 'STATIONGRID_';
/** Read by the command line and by bots, not by the farm. */
const ELSEWHERE = /^STATIONGRID_(CONFIG|SERVER|INSTANCE|BOT_.*|TEST_.*)$/;
/** Kubernetes sets these for a Service whose name begins with "stationgrid". */
const KUBERNETES = /^STATIONGRID_(\w+_)?(SERVICE_(HOST|PORT)|PORT)(_\w+)?$/;

export const fromFile = (file: string | null, problems: string[]): unknown => {
  if (file === null) return {};
  try {
    const document = parseDocument(readFileSync(file, 'utf8'), { uniqueKeys: true });
    problems.push(...document.errors.map((error) => `${file}: ${error.message.split('\n')[0] ?? error.code}`));
    return document.errors.length > 0 ? {} : (document.toJS() ?? {});
  } catch (error) {
    problems.push(
      `cannot read the configuration file ${file}: ${error instanceof Error ? error.message : String(error)}`,
    );
    return {};
  }
};

/** Variables named for the keys, and `…_FILE` for secrets. An empty one counts as not set. */
export const fromEnvironment = (env: Environment, leaves: readonly Leaf[], problems: string[]): unknown => {
  const paths = new Map(
    leaves.flatMap(({ path, says }) => [
      [variableOf(path), path] as const,
      ...(says.secret === true ? [[`${variableOf(path)}_FILE`, filePath(path)] as const] : []),
    ]),
  );
  let tree: unknown = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || value === undefined || value === '') continue;
    const path = paths.get(name);
    if (path !== undefined) tree = merge(tree, single(path, value));
    else if (!ELSEWHERE.test(name) && !KUBERNETES.test(name))
      problems.push(`unknown variable \`${name}\` in the environment${didYouMean(name, [...paths.keys()])}`);
  }
  return tree;
};

const filePath = (path: readonly string[]): readonly string[] => [...path.slice(0, -1), `${path.at(-1) ?? ''}File`];

/** `--log-level <level>` is the option logLevel. */
const optionOf = (flag: string): string =>
  (flag.split(' ')[0] ?? '').replace(/^--/, '').replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

export const fromFlags = (flags: Flags, leaves: readonly Leaf[], problems: string[]): unknown => {
  const byOption = new Map(
    leaves.flatMap(({ path, says }) => (says.flag === undefined ? [] : [[optionOf(says.flag), path] as const])),
  );
  const byPath = new Map(leaves.map(({ path }) => [pathText(path), path]));
  let tree: unknown = {};
  const say = (known: ReadonlyMap<string, readonly string[]>, name: string, value: unknown): void => {
    const path = known.get(name);
    if (path !== undefined) tree = merge(tree, single(path, value));
    else problems.push(`unknown key \`${name}\` in the flags${didYouMean(name, [...known.keys()])}`);
  };
  for (const [option, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    if (option !== 'set') say(byOption, option, value);
    else
      for (const assignment of [value].flat()) {
        const [, name, said] = /^([^=]+)=(.*)$/s.exec(assignment) ?? [];
        if (name === undefined) problems.push(`--set ${assignment} sets nothing; write --set limits.session.ttl=2min`);
        else say(byPath, name.trim(), said);
      }
  }
  return tree;
};
