/** The three places that speak: the file, the environment, the flags. Each becomes a tree of the schema's shape. */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { holdsPassword } from '../core/secret.ts';
import { didYouMean } from './nearest.ts';
import { type Leaf, merge, pathText, single, variableOf } from './tree.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
/** Options as the command line parses them, in camel case; `set` holds `path=value`, for keys without a flag. */
export type Flags = Readonly<Record<string, string | readonly string[] | undefined>>;

const PREFIX = 'STATIONGRID_';
/** Read by the command line, by workers (from their primary) and by bots: no keys of the farm's. */
const ELSEWHERE = /^STATIONGRID_(CONFIG|WORKER|SERVER|URL|INSTANCE|CA|TOKEN|TOKEN_FILE|BOT_.*|TEST_.*)$/;
/** Kubernetes sets these for a Service whose name begins with "stationgrid". */
const KUBERNETES = /^STATIONGRID_(\w+_)?(SERVICE_(HOST|PORT)|PORT)(_\w+)?$/;

export const fromFile = (file: string | null, problems: string[]): unknown => {
  if (file === null) return {};
  try {
    // What it would warn of on its own, such as a list for a key, is refused below in our words.
    const document = parseDocument(readFileSync(file, 'utf8'), { uniqueKeys: true, logLevel: 'error' });
    problems.push(...yamlWords(document.errors).map((words) => `${file}: ${words}`));
    return document.errors.length > 0 ? {} : (document.toJS() ?? {});
  } catch (error) {
    problems.push(
      `cannot read the configuration file ${file}: ${error instanceof Error ? error.message : String(error)}`,
    );
    return {};
  }
};

/** What comes after the first few mistakes is mostly their echo. */
const MISTAKES_SHOWN_MAX = 5;

const yamlWords = (errors: readonly Error[]): readonly string[] => {
  // The parser follows what is nested by calling itself, and says so when it can no more.
  if (errors.some(({ message }) => message.includes('call stack'))) {
    return ['is nested far deeper than a configuration is; look for brackets or dashes that are never closed'];
  }
  return errors.slice(0, MISTAKES_SHOWN_MAX).map(({ message }) => message.split('\n')[0] ?? message);
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

/** What OpenTelemetry's own variables say of us. Everything else goes before them. */
export const fromOpenTelemetry = (env: Environment): unknown => {
  const base = env['OTEL_EXPORTER_OTLP_ENDPOINT'] || null;
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || (base && `${base.replace(/\/+$/, '')}/v1/traces`);
  const name = env['OTEL_SERVICE_NAME'] || null;
  if (env['OTEL_SDK_DISABLED'] === 'true') return {};
  return { tracing: { ...(endpoint === null ? {} : { endpoint }), ...(name === null ? {} : { name }) } };
};

const filePath = (path: readonly string[]): readonly string[] => [...path.slice(0, -1), `${path.at(-1) ?? ''}File`];

/** `--log-level <level>` is the option logLevel. */
const optionOf = (flag: string): string =>
  (flag.split(' ')[0] ?? '').replace(/^--/, '').replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

const onCommandLine = (path: readonly string[]): string =>
  `${pathText(path)}: a password on the command line is there for everybody on this machine to read; give it as ` +
  `${variableOf(path)}, or in a file of mode 0600 by ${pathText(filePath(path))}`;

export const fromFlags = (flags: Flags, leaves: readonly Leaf[], problems: string[]): unknown => {
  const byOption = new Map(
    leaves.flatMap(({ path, says }) => (says.flag === undefined ? [] : [[optionOf(says.flag), path] as const])),
  );
  const secrets = new Set(leaves.flatMap(({ path, says }) => (says.secret === true ? [path] : [])));
  const byPath = new Map(leaves.map(({ path }) => [pathText(path), path]));
  let tree: unknown = {};
  const say = (known: ReadonlyMap<string, readonly string[]>, name: string, value: unknown): void => {
    const path = known.get(name);
    if (path !== undefined && secrets.has(path) && typeof value === 'string' && holdsPassword(value))
      problems.push(onCommandLine(path));
    else if (path !== undefined) tree = merge(tree, single(path, value));
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
