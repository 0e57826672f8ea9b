/** From a tree of tests to a line: its groups of the first level are its stations. */
import { isTree, type Tree } from './list-file.ts';
import type { TestNode } from './resolve-tests.ts';

export type ImportedLine = {
  readonly instance: string;
  readonly shopfloor: { readonly url: string } | null;
  readonly testList: { readonly id: string; readonly listed?: Tree };
  readonly stations: readonly ImportedStation[];
};

export type ImportedStation = {
  readonly name: string;
  readonly groups: readonly { readonly id: string; readonly listed?: Tree }[];
  readonly tests: readonly ImportedTest[];
};

export type ImportedTest = {
  readonly testId: string;
  readonly handler: string;
  readonly args?: Tree;
  readonly listed?: Tree;
};

export type ImportOptions = {
  readonly instance: string | null;
  readonly shopfloorUrl: string | null;
  /** What the list says of itself: `options`, with the phase, and `constants`. */
  readonly about: Tree;
};

export const toLine = (root: TestNode, { instance, shopfloorUrl, about }: ImportOptions): ImportedLine => {
  const id = root.path.slice(0, -1);
  const stations = new Map<string, ImportedStation>();
  for (const node of root.children) {
    const name = stationOf(node);
    const before = stations.get(name) ?? { name, groups: [], tests: [] };
    stations.set(name, {
      name,
      groups: [...before.groups, ...groupsOf(node, {})],
      tests: [...before.tests, ...testsOf(node, {})],
    });
  }
  return {
    instance: instance ?? id,
    shopfloor: shopfloorUrl === null ? null : { url: shopfloorUrl },
    testList: { id, ...listed({ ...root.object, ...about }, []) },
    stations: [...stations.values()],
  };
};

/** As its NotifyStart names it, where the list says so outright; else by the node. */
const stationOf = ({ path, locals }: TestNode): string => {
  const said = locals['station'];
  if (typeof said === 'string' && said !== '' && !said.startsWith('eval!')) return said;
  return path.slice(path.lastIndexOf(path.includes('.') ? '.' : ':') + 1);
};

const groupsOf = (node: TestNode, around: Tree): ImportedStation['groups'] =>
  node.object['pytest_name'] === undefined
    ? [
        { id: node.path, ...listed(withOwnLocals(node, around), []) },
        ...node.children.flatMap((child) => groupsOf(child, node.locals)),
      ]
    : [];

const testsOf = (node: TestNode, around: Tree): readonly ImportedTest[] => {
  const { pytest_name: handler, args } = node.object;
  if (typeof handler !== 'string') return node.children.flatMap((child) => testsOf(child, node.locals));
  return [
    {
      testId: node.path,
      handler,
      ...(isTree(args) && Object.keys(args).length > 0 ? { args } : {}),
      ...listed(withOwnLocals(node, around), ['pytest_name', 'args']),
    },
  ];
};

/** Locals of a group hold for all in it, and are said once. */
const withOwnLocals = ({ object, locals }: TestNode, around: Tree): Tree => {
  const own = Object.entries(locals).filter(([name, value]) => JSON.stringify(around[name]) !== JSON.stringify(value));
  const { locals: _written, ...rest } = object;
  return own.length === 0 ? rest : { ...rest, locals: Object.fromEntries(own) };
};

/** The id is said already, at the end of the path. */
const listed = (object: Tree, but: readonly string[]): { readonly listed?: Tree } => {
  const entries = Object.entries(object).filter(([key]) => key !== 'id' && !but.includes(key));
  return entries.length === 0 ? {} : { listed: Object.fromEntries(entries) };
};
