/** From definitions and references to a tree of tests, as a DUT would run it. Expressions stay as they are. */
import { didYouMean } from '../../config/nearest.ts';
import { isTree, listFailure, type ListPath, type Tree } from './list-file.ts';
import { type MergedList, override } from './merge-lists.ts';

export type TestNode = {
  /** `generic_main:SMT.SMTStart.Barrier`, as the original has it on the wire; the root's ends with the colon. */
  readonly path: string;
  /** All that its definitions say of it. Of a leaf with `pytest_name` and `args`. */
  readonly object: Tree;
  /** Its own and those of the groups around it. */
  readonly locals: Tree;
  readonly children: readonly TestNode[];
};

/** A group that stands for its children. */
const FLATTEN = 'FlattenGroup';
/** Classes of the original, which its base list declares by definitions that inherit themselves. */
const CLASSES = ['FactoryTest', 'TestGroup', FLATTEN, 'ShutdownStep', 'RebootStep', 'HaltStep', 'FullRebootStep'];
/** No list is nested so deep, unless a group holds itself. */
const DEPTH_MAX = 32;

export const resolveTests = (list: MergedList): TestNode => {
  const resolver = new Resolver(list);
  return resolver.root();
};

type Place = {
  readonly parentPath: string;
  readonly locals: Tree;
  /** `child_action_on_failure` of the group around. */
  readonly action: unknown;
  /** Names of the definitions from the root to here. */
  readonly chain: readonly string[];
  /** Paths that are taken, of the whole list. */
  readonly taken: Set<string>;
};

class Resolver {
  readonly #list: MergedList;
  readonly #definitions: Tree;
  readonly #overrides: Tree;
  readonly #overridden = new Set<string>();

  constructor(list: MergedList) {
    this.#list = list;
    this.#definitions = treeOf(list.tree['definitions']);
    this.#overrides = treeOf(list.tree['override_args']);
  }

  root(): TestNode {
    const { id, tree } = this.#list;
    const path = `${id}:`;
    const place = { parentPath: path, locals: {}, action: undefined, chain: [], taken: new Set<string>() };
    const children = listOf(tree['tests']).flatMap((test) => this.#expand(test, place));
    const stray = Object.keys(this.#overrides).find((key) => !this.#overridden.has(key));
    if (stray !== undefined) {
      throw listFailure(
        this.#where(['override_args', stray]),
        `\`override_args\` names ${stray}, and the list has no such test`,
        'Name a test by its path, such as SMT.SMTStart.Barrier.',
      );
    }
    if (children.length === 0) {
      const file = this.#list.files[0]?.path ?? id;
      throw listFailure(file, 'has no tests: it is there to be inherited', 'Import the list that inherits it.');
    }
    return { path, object: tree['label'] === undefined ? {} : { label: tree['label'] }, locals: {}, children };
  }

  #expand(test: unknown, place: Place): readonly TestNode[] {
    const written: Tree = typeof test === 'string' ? { inherit: test } : treeOf(test);
    const base = typeof written['inherit'] === 'string' ? written['inherit'] : 'FactoryTest';
    const chain = [...place.chain, base];
    if (chain.length > DEPTH_MAX) this.#tooDeep(chain);
    const inherited = this.#definition(base, []);
    const { inherit: _inherit, subtests, ...object } = override(inherited.object, written);
    const locals = override(place.locals, treeOf(object['locals']));
    const subtestList = listOf(subtests);
    if (inherited.bases.includes(FLATTEN)) {
      return subtestList.flatMap((subtest) => this.#expand(subtest, { ...place, locals, chain }));
    }
    const path = freePath(`${place.parentPath}${typeof object['id'] === 'string' ? object['id'] : base}`, place.taken);
    const action = object['action_on_failure'] ?? place.action;
    const node = {
      path,
      locals,
      object: this.#withArgs(path, action === undefined ? object : { ...object, action_on_failure: action }),
    };
    if (subtests === undefined && object['pytest_name'] === undefined) {
      throw listFailure(
        this.#where(['definitions', base]),
        `${path} has neither \`pytest_name\` nor \`subtests\``,
        'Say which pytest it is, or what is in the group.',
      );
    }
    const below = { ...place, locals, chain, parentPath: `${path}.`, action: object['child_action_on_failure'] };
    return [{ ...node, children: subtestList.flatMap((subtest) => this.#expand(subtest, below)) }];
  }

  /** A definition with all it inherits, and the names of those. */
  #definition(name: string, chain: readonly string[]): { readonly object: Tree; readonly bases: readonly string[] } {
    const own = this.#definitions[name];
    if (own === undefined && CLASSES.includes(name)) return { object: { id: name }, bases: [name] };
    if (!isTree(own)) this.#unknown(name);
    if (chain.includes(name)) {
      throw listFailure(
        this.#where(['definitions', name, 'inherit']),
        `definition ${name} inherits itself: ${[...chain.slice(chain.indexOf(name)), name].join(' → ')}`,
        'Take one `inherit` out of the circle.',
      );
    }
    const parent = typeof own['inherit'] === 'string' ? own['inherit'] : 'FactoryTest';
    // A class of the original.
    if (parent === name) return { object: { id: name, ...own }, bases: [name] };
    const inherited = this.#definition(parent, [...chain, name]);
    return { object: override(inherited.object, { id: name, ...own }), bases: [name, ...inherited.bases] };
  }

  #withArgs(path: string, object: Tree): Tree {
    const bare = path.slice(path.indexOf(':') + 1);
    const key = [bare, path].find((name) => isTree(this.#overrides[name]));
    if (key === undefined) return object;
    this.#overridden.add(key);
    return { ...object, args: override(treeOf(object['args']), treeOf(this.#overrides[key])) };
  }

  #unknown(name: string): never {
    const known = [...Object.keys(this.#definitions), ...CLASSES];
    throw listFailure(
      this.#whereNamed(name),
      `there is no definition ${name}${didYouMean(name, known)}`,
      'Define it, or inherit the list that does.',
    );
  }

  #tooDeep(chain: readonly string[]): never {
    const last = chain.at(-1) ?? '';
    const circle = chain.slice(chain.lastIndexOf(last, -2));
    throw listFailure(
      this.#where(['definitions', last]),
      `groups are nested deeper than ${String(DEPTH_MAX)}: ${circle.join(' → ')}`,
      'A group may not hold itself; take it out of `subtests`.',
    );
  }

  /** In the nearest file that has it. */
  #where(path: ListPath): string {
    const file = this.#list.files.find(({ tree }) => path.reduce<unknown>(step, tree) !== undefined);
    return file?.at(path) ?? this.#list.files[0]?.path ?? this.#list.id;
  }

  /** Where a definition is used by that name. */
  #whereNamed(name: string): string {
    for (const { tree, at } of this.#list.files) {
      const path = pathOf(tree, name);
      if (path !== null) return at(path);
    }
    return this.#list.files[0]?.path ?? this.#list.id;
  }
}

const step = (value: unknown, key: string | number): unknown =>
  Array.isArray(value) ? value[Number(key)] : isTree(value) ? value[key] : undefined;

/** The first reference of that name, in depth. */
const pathOf = (tree: unknown, name: string, path: ListPath = []): ListPath | null => {
  const last = path.at(-1);
  if (tree === name && (typeof last === 'number' || last === 'inherit')) return path;
  const members: readonly (readonly [string | number, unknown])[] = Array.isArray(tree)
    ? [...tree.entries()]
    : isTree(tree)
      ? Object.entries(tree)
      : [];
  for (const [key, member] of members) {
    const found = pathOf(member, name, [...path, key]);
    if (found !== null) return found;
  }
  return null;
};

const treeOf = (value: unknown): Tree => (isTree(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Siblings of one id are told apart by a number. */
const freePath = (wanted: string, taken: Set<string>): string => {
  let path = wanted;
  for (let number = 2; taken.has(path); number += 1) path = `${wanted}_${String(number)}`;
  taken.add(path);
  return path;
};
