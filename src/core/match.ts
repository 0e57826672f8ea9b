/** Whether a bot has what a job wants. Decided once for each pair of interned sets, never per poll (ARCHITECTURE, How it is fast). */

/** A bot's properties: each key, without the prefix `label:`, with all its values. */
export type Properties = ReadonlyMap<string, ReadonlySet<string>>;

/** Any of `allowedValues` under `key`; a list of constraints is an AND. */
export type Constraint = { readonly key: string; readonly allowedValues: readonly string[] };

const LABEL_PREFIX = 'label:';

/** Keys with and without the prefix `label:` are one key (R-MATCH-2). */
export const bareKey = (key: string): string => (key.startsWith(LABEL_PREFIX) ? key.slice(LABEL_PREFIX.length) : key);

export const satisfies = (properties: Properties, constraints: readonly Constraint[]): boolean =>
  constraints.every(({ key, allowedValues }) => {
    const values = properties.get(key);
    return values !== undefined && allowedValues.some((value) => values.has(value));
  });

/** Bare keys, sorted, values unique and sorted: equal wishes have equal form. */
export const canonicalConstraints = (constraints: readonly Constraint[]): readonly Constraint[] =>
  constraints
    .map(({ key, allowedValues }) => ({ key: bareKey(key), allowedValues: [...new Set(allowedValues)].sort() }))
    .sort((a, b) => compare(JSON.stringify(a), JSON.stringify(b)));

/** From (key, value) pairs, in any order and with repeats, to the canonical form; also its text, which interns it. */
export const canonicalProperties = (pairs: Iterable<readonly [string, string]>): Properties => {
  const byKey = new Map<string, Set<string>>();
  for (const [key, value] of pairs) {
    const bare = bareKey(key);
    const values = byKey.get(bare);
    if (values === undefined) byKey.set(bare, new Set([value]));
    else values.add(value);
  }
  return new Map(
    [...byKey].sort(([a], [b]) => compare(a, b)).map(([key, values]) => [key, new Set([...values].sort(compare))]),
  );
};

/** `{"key":["value",…],…}`: equal properties have equal text. */
export const propertiesText = (properties: Properties): string =>
  JSON.stringify(Object.fromEntries([...properties].map(([key, values]) => [key, [...values]])));

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
