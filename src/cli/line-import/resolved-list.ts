/** A test list that somebody has resolved already: a list of all its nodes, each with its path. */
import { z } from 'zod';
import { listFailure, type Tree } from './list-file.ts';
import type { TestNode } from './resolve-tests.ts';

const nodeSchema = z.looseObject({
  path: z.string().regex(/^[^:]+:/, 'is no path such as main:SMT.Barrier'),
  pytest_name: z.string().nullable().default(null),
  leaf: z.boolean(),
  args: z.record(z.string(), z.unknown()).nullable().default(null),
  locals: z.record(z.string(), z.unknown()).nullable().default(null),
});
type WrittenNode = z.output<typeof nodeSchema>;

/** Values that say nothing, which such lists write out. */
const SILENT: Tree = { parallel: false, action_on_failure: 'NEXT', run_if: null };

/** @param nodes a group may come before or after what is in it; leaves are in the order of running. */
export const toResolvedTests = (nodes: readonly unknown[], path: string): TestNode => {
  const parsed = z.array(nodeSchema).min(1).safeParse(nodes);
  if (!parsed.success) {
    throw listFailure(path, `is no resolved test list: ${z.prettifyError(parsed.error)}`, 'Mend the file.');
  }
  const children = Map.groupBy(parsed.data, parentOf);
  const rootPath = /^[^:]+:/.exec(parsed.data[0]?.path ?? '')?.[0] ?? '';
  const root = parsed.data.find((node) => node.path === rootPath);
  const build = (node: WrittenNode): TestNode => ({
    ...{ path: node.path, locals: node.locals ?? {}, object: objectOf(node) },
    children: (children.get(node.path) ?? []).map(build),
  });
  return {
    ...{ path: rootPath, locals: {}, object: root === undefined ? {} : objectOf(root) },
    children: (children.get(rootPath) ?? []).map(build),
  };
};

/** Null: the root has none. */
const parentOf = ({ path }: WrittenNode): string | null => {
  if (path.endsWith(':')) return null;
  const dot = path.lastIndexOf('.');
  return dot < 0 ? path.slice(0, path.indexOf(':') + 1) : path.slice(0, dot);
};

const objectOf = ({ path: _path, leaf, locals: _locals, args, pytest_name, ...rest }: WrittenNode): Tree => ({
  ...Object.fromEntries(Object.entries(rest).filter(([key, value]) => !(key in SILENT && SILENT[key] === value))),
  ...(leaf ? { pytest_name, args: args ?? {} } : {}),
});
