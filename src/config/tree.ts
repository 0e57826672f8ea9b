/** The schema as a tree of keys: for names, nearest names, variables of the environment, secrets and the reference. */
import { z } from 'zod';
import { type Says, says } from './says.ts';

export type Key = { readonly name: string; readonly node: Node; readonly says: Says | null };

export type Node =
  | {
      readonly kind: 'group';
      readonly keys: ReadonlyMap<string, Key>;
      readonly nullable: boolean;
      /** In place of its keys the group may be said in one word. */
      readonly orWord: boolean;
    }
  | { readonly kind: 'list'; readonly element: Node }
  | { readonly kind: 'value' };

export type Path = readonly (string | number)[];

/** A value of the tree with its path; values inside lists have no path of their own and are left out. */
export type Leaf = { readonly path: readonly string[]; readonly says: Says };

export const nodeOf = (schema: z.core.$ZodType, nullable = false): Node => {
  if (schema instanceof z.ZodObject) {
    const keys = Object.entries<z.core.$ZodType>(schema.shape).map(([name, inner]): [string, Key] => [
      name,
      { name, node: nodeOf(inner), says: says.get(inner) ?? null },
    ]);
    return { kind: 'group', keys: new Map(keys), nullable, orWord: false };
  }
  if (schema instanceof z.ZodArray) {
    const element = nodeOf(schema.element);
    return element.kind === 'group' ? { kind: 'list', element } : { kind: 'value' };
  }
  if (schema instanceof z.ZodUnion) {
    const group = schema.options.map((option) => nodeOf(option, nullable)).find((node) => node.kind === 'group');
    if (group?.kind === 'group') return { ...group, orWord: true };
  }
  if (schema instanceof z.ZodNullable) return nodeOf(schema.unwrap(), true);
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return nodeOf(schema.unwrap(), nullable);
  return { kind: 'value' };
};

export const leavesOf = (node: Node, path: readonly string[] = []): readonly Leaf[] =>
  node.kind === 'group'
    ? [...node.keys.values()].flatMap((key) => {
        const own = [...path, key.name];
        const leaf = isSaidInOne(key.node) && key.says !== null ? [{ path: own, says: key.says }] : [];
        return key.node.kind === 'group' ? [...leaf, ...leavesOf(key.node, own)] : leaf;
      })
    : [];

/** Whether a variable or a flag can say it. */
export const isSaidInOne = (node: Node): boolean => node.kind === 'value' || (node.kind === 'group' && node.orWord);

/** The node at a path of the file; null when the path leaves the tree. */
export const nodeAt = (node: Node, path: readonly PropertyKey[]): Node | null =>
  path.reduce<Node | null>((at, step) => {
    if (at?.kind === 'group') return at.keys.get(String(step))?.node ?? null;
    return at?.kind === 'list' ? at.element : null;
  }, node);

/** `lines[0].stations[2].mode`; empty for the whole. */
export const pathText = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, step) =>
      typeof step === 'number' ? `${text}[${String(step)}]` : `${text}${text === '' ? '' : '.'}${String(step)}`,
    '',
  );

/** `limits.session.lostAfter` is STATIONGRID_LIMITS_SESSION_LOST_AFTER. */
export const variableOf = (path: readonly string[]): string =>
  ['STATIONGRID', ...path.map((name) => name.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase())].join('_');

export type Tree = Readonly<Record<string, unknown>>;
export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What `high` says, over what `low` says. A value where a section belongs stays, for the schema to refuse. */
export const merge = (low: unknown, high: unknown): unknown => {
  if (high === undefined || (isTree(high) && low !== undefined && low !== null && !isTree(low))) return low;
  if (!isTree(low) || !isTree(high)) return high;
  const names = new Set([...Object.keys(low), ...Object.keys(high)]);
  return Object.fromEntries([...names].map((name) => [name, merge(low[name], high[name])]));
};

/** A tree that says one thing. */
export const single = (path: readonly string[], value: unknown): unknown =>
  path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
