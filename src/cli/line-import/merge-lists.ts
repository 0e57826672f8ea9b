/** A test list and all that it inherits, as one. */
import { findInherited, isTree, listFailure, type ListFile, REPLACE, testsIn, type Tree } from './list-file.ts';

export type MergedList = {
  /** Without `.test_list`: what test ids begin with. */
  readonly id: string;
  readonly tree: Tree;
  /** The list first, then what it inherits, the nearest first. */
  readonly files: readonly ListFile[];
};

export const mergeLists = (root: ListFile, folders: readonly string[]): MergedList => {
  const files = linearize(root, { folders, chain: [], known: new Map() });
  const tree = files.reduceRight<Tree>((merged, file) => override(merged, file.tree), {});
  return { id: root.name.replace(/\.test_list$/, ''), tree, files };
};

type Search = {
  readonly folders: readonly string[];
  /** From the root to here. */
  readonly chain: readonly string[];
  /** By name, with the order of each. */
  readonly known: Map<string, readonly ListFile[]>;
};

/** C3: each file before what it inherits, in the order in which that is named. */
const linearize = (file: ListFile, search: Search): readonly ListFile[] => {
  const chain = [...search.chain, file.name];
  const inherit = file.tree['inherit'];
  const names = typeof inherit === 'string' ? [inherit] : testsIn(file, inherit, ['inherit']).map(String);
  const parents = names.map((name, index) => {
    const parent = findInherited(file, name.replace(/\.json$/, ''), index, search.folders);
    if (chain.includes(parent.name)) {
      throw listFailure(
        file.at(['inherit', index]),
        `inherits itself: ${[...chain.slice(chain.indexOf(parent.name)), parent.name].join(' → ')}`,
        'Take one of them out of `inherit`.',
      );
    }
    const known = search.known.get(parent.name);
    if (known !== undefined) return known;
    const order = linearize(parent, { ...search, chain });
    search.known.set(parent.name, order);
    return order;
  });
  const direct = parents.flatMap(([parent]) => parent ?? []);
  return [file, ...mergeOrders(file, [...parents, direct])];
};

const mergeOrders = (file: ListFile, orders: readonly (readonly ListFile[])[]): readonly ListFile[] => {
  const merged: ListFile[] = [];
  let left = orders.filter((order) => order.length > 0);
  while (left.length > 0) {
    const next = left
      .map(([head]) => head)
      .find((head) => head !== undefined && left.every((order) => !order.slice(1).some((other) => same(other, head))));
    if (next === undefined) {
      throw listFailure(
        file.at(['inherit']),
        `there is no order for what it inherits: ${left.map(([head]) => head?.name ?? '').join(' and ')} each want to come before the other`,
        'Name them in the order in which the lists they inherit name them.',
      );
    }
    merged.push(next);
    left = left
      .map((order) => (order[0] !== undefined && same(order[0], next) ? order.slice(1) : order))
      .filter((order) => order.length > 0);
  }
  return merged;
};

const same = (a: ListFile, b: ListFile): boolean => a.name === b.name;

/** What is said later wins; objects are merged key by key, lists are not. */
export const override = (base: Tree, over: Tree): Tree => {
  if (over[REPLACE] === true) return Object.fromEntries(Object.entries(over).filter(([key]) => key !== REPLACE));
  const merged = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(over)) {
    const before = merged.get(key);
    merged.set(key, isTree(value) ? override(isTree(before) ? before : {}, value) : value);
  }
  return Object.fromEntries(merged);
};
