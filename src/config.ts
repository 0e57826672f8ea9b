/** The configuration: one schema for file, environment and flags. Flags win over environment, file, defaults. */
import { stringify } from 'yaml';
import { z } from 'zod';
import type { Limits } from './core/limits.ts';
import { HIDDEN } from './core/secret.ts';
import { addressText } from './config/address.ts';
import { authMisfits, authText } from './config/auth.ts';
import { misfits } from './config/check.ts';
import {
  type Environment,
  type Flags,
  fromEnvironment,
  fromFile,
  fromFlags,
  fromOpenTelemetry,
} from './config/layers.ts';
import { exposureMisfits } from './config/exposure.ts';
import { limitsOf, limitsText } from './config/limit-keys.ts';
import { didYouMean } from './config/nearest.ts';
import { configSchema, type Written, type WrittenLine } from './config/schema.ts';
import { readSecretFiles } from './config/secret-files.ts';
import { isTree, leavesOf, merge, nodeAt, nodeOf, pathText, variableOf } from './config/tree.ts';
import { durationText } from './config/units.ts';

export { asksCredentials, isLoopback, wideDoors } from './config/exposure.ts';
export { linesOf, shopfloorUrls } from './config/lines.ts';
export { configReference } from './config/reference.ts';
export type { Environment, Flags } from './config/layers.ts';
export type { Address } from './config/address.ts';

export type Config = Omit<Written, 'limits' | 'instances'> & {
  readonly instances: 'declared' | 'any';
  readonly limits: Limits;
};

/** Who said a value; what nobody said is a default. */
export type Source = 'file' | 'environment' | 'flag';

export type LoadedConfig =
  | { readonly kind: 'ok'; readonly config: Config; readonly sources: ReadonlyMap<string, Source> }
  | { readonly kind: 'bad'; readonly problems: readonly string[] };

const root = nodeOf(configSchema);
const leaves = leavesOf(root);

/**
 * Reads and checks everything at once, so that one run tells all that is wrong.
 * @param file path of the YAML file; null: the one that STATIONGRID_CONFIG names, else none.
 */
export const loadConfig = ({
  file = null,
  env = {},
  flags = {},
}: {
  readonly file?: string | null;
  readonly env?: Environment;
  readonly flags?: Flags;
}): LoadedConfig => {
  const problems: string[] = [];
  const layers = (
    [
      ['environment', fromOpenTelemetry(env)],
      ['file', fromFile(file ?? (env['STATIONGRID_CONFIG'] || null), problems)],
      ['environment', fromEnvironment(env, leaves, problems)],
      ['flag', fromFlags(flags, leaves, problems)],
    ] as const
  ).map(([source, tree]) => ({ source, tree: readSecretFiles(root, tree, problems) }));
  const sources = new Map(layers.flatMap(({ source, tree }) => saidPaths(tree).map((path) => [path, source] as const)));
  const parsed = configSchema.safeParse(
    layers.reduce<unknown>((merged, { tree }) => merge(merged, tree), {}),
    { reportInput: true },
  );
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap((issue) => issueWords(issue, sources)));
  if (!parsed.success || problems.length > 0) return { kind: 'bad', problems };
  const config: Config = {
    ...parsed.data,
    instances: parsed.data.instances ?? (parsed.data.lines.length > 0 ? 'declared' : 'any'),
    limits: limitsOf(parsed.data.limits),
  };
  const unfit = [
    ...misfits(config),
    ...authMisfits(config),
    ...exposureMisfits(config, env['NODE_ENV'] === 'production'),
  ];
  return unfit.length > 0 ? { kind: 'bad', problems: unfit } : { kind: 'ok', config, sources };
};

/** Paths of all that a tree says, lists as a whole. */
const saidPaths = (tree: unknown, path: readonly string[] = []): readonly string[] =>
  isTree(tree) ? Object.entries(tree).flatMap(([name, value]) => saidPaths(value, [...path, name])) : [pathText(path)];

/** A problem in words: where, who said it, what is wrong, how to mend it. Never the value of a secret. */
const issueWords = (issue: z.core.$ZodIssue, sources: ReadonlyMap<string, Source>): readonly string[] => {
  const where = pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const node = nodeAt(root, issue.path);
    const known = node?.kind === 'group' ? [...node.keys.keys()] : [];
    return issue.keys.map(
      (name) => `unknown key \`${name}\`${where === '' ? '' : ` in ${where}`}${didYouMean(name, known)}`,
    );
  }
  // Of what may be a word or keys, what was meant as keys is told by key.
  if (issue.code === 'invalid_union' && isTree(issue.input))
    return (issue.errors.at(-1) ?? []).flatMap((inner) =>
      issueWords({ ...inner, path: [...issue.path, ...inner.path] }, sources),
    );
  const by = spokenBy(where, sources);
  if (issue.input === undefined && issue.code === 'invalid_type') return [`${where || 'the file'}: is missing`];
  if (issue.code === 'invalid_value')
    return [`${where}${by}: ${inputWords(issue.input)} is not one of ${issue.values.map(String).join(', ')}`];
  return [`${where || 'the file'}${by}: ${issue.message.replace(/^Invalid input: /, '')}`];
};

const inputWords = (input: unknown): string =>
  typeof input === 'object' && input !== null ? 'a list or a group of keys' : `\`${String(input)}\``;

const spokenBy = (where: string, sources: ReadonlyMap<string, Source>): string => {
  const source = sources.get(where);
  if (source === 'environment') return ` (${variableOf(where.split('.'))})`;
  return source === 'flag' ? ' (a flag)' : '';
};

/** The whole configuration as YAML, defaults included. It loads again once the hidden secrets are given. */
export const printConfig = (config: Config): string =>
  stringify({
    ...config,
    doors: {
      ...config.doors,
      grpc: addressText(config.doors.grpc),
      http: addressText(config.doors.http),
      ops: config.doors.ops === null ? null : addressText(config.doors.ops),
      factory: config.doors.factory === null ? null : addressText(config.doors.factory),
    },
    auth: authText(config.auth),
    limits: limitsText(config.limits),
    lines: config.lines.map(printedLine),
  });

const printedLine = (line: WrittenLine) => ({
  ...line,
  shopfloor:
    line.shopfloor === null ? null : { url: line.shopfloor.url.reveal().replace(/\/\/[^/?#]*@/, `//${HIDDEN}@`) },
  stationDefaults: printedRule(line.stationDefaults),
  stations: line.stations.map(printedRule),
});

const printedRule = (rule: WrittenLine['stationDefaults']) => ({
  ...rule,
  ...(rule.lostAfter === undefined ? {} : { lostAfter: durationText(rule.lostAfter) }),
  ...(rule.takt === undefined ? {} : { takt: durationText(rule.takt) }),
});

/** The flags of `serve`, for the command line to declare. */
export const configFlags: readonly { readonly flag: string; readonly meaning: string }[] = leaves.flatMap(({ says }) =>
  says.flag === undefined ? [] : [{ flag: says.flag, meaning: says.meaning }],
);
