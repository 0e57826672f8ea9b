/** All pairs that are played. One more is an entry in the file of its road; a new file is a line here. */
import type { Pair } from './cross.ts';
import { dutPairs } from './pairs/duts.ts';
import { gatePairs } from './pairs/gates.ts';
import { lanePairs } from './pairs/lanes.ts';
import { leasePairs } from './pairs/leases.ts';
import { migrationPairs } from './pairs/migrations.ts';
import { queuePairs } from './pairs/queue.ts';
import { restorePairs } from './pairs/restores.ts';
import { sessionPairs } from './pairs/sessions.ts';
import { tokenPairs } from './pairs/tokens.ts';

export const pairs: readonly Pair[] = [
  ...leasePairs,
  ...sessionPairs,
  ...queuePairs,
  ...lanePairs,
  ...gatePairs,
  ...dutPairs,
  ...tokenPairs,
  ...restorePairs,
  ...migrationPairs,
];

export const pairNamed = (name: string): Pair => {
  const pair = pairs.find((each) => each.name === name);
  if (pair === undefined) throw new Error(`there is no pair "${name}"`);
  return pair;
};
