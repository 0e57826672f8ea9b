/**
 * What a seed dwells on. Every world has some of every fault; under an emphasis it has much of one sort, and bots or units
 * to which that sort matters. A bug that takes two things at once is then met by nearly any seed of its emphasis, and
 * not by luck. Which emphasis a seed has follows from its number, so that a few dozen seeds in a row have them all.
 */
import type { Trouble } from './weather.ts';

/** The sorts of faults, as they are drawn (faults.ts). */
export type FaultSort =
  | 'network'
  | 'database'
  | 'partner'
  | 'crash'
  | 'stop'
  | 'lost at work'
  | 'outage'
  | 'cancel'
  | 'look'
  | 'operation'
  | 'token'
  | 'twin'
  | 'clock step'
  | 'break connections';

export type Emphasis = {
  readonly name: string;
  /** How many times its usual share a sort has; absent: once. */
  readonly times: Partial<Readonly<Record<FaultSort, number>>>;
  /** In force from the first fault to the last, on top of what is drawn. */
  readonly climate: readonly Trouble[];
  /** Share of each bot's calls that go to another replica; null: drawn for each. */
  readonly wanders: number | null;
  /** Every bot with one unit of its own is an older client, and has worse habits than most. */
  readonly fieldBots: boolean;
  /** One host drives the units of several others too. */
  readonly sharedUnits: boolean;
  /** Jobs are watched by readers that keep coming back. */
  readonly closeWatch: boolean;
  /** The database fails over for certain, and not just now and then. */
  readonly failsOver: boolean;
};

/** The usual world. */
const PLAIN: Emphasis = {
  name: 'none',
  times: {},
  climate: [],
  wanders: null,
  fieldBots: false,
  sharedUnits: false,
  closeWatch: false,
  failsOver: false,
};

const emphasis = <Name extends string>(name: Name, changes: Partial<Emphasis>) => ({ ...PLAIN, ...changes, name });

const statements = (fault: Extract<Trouble, { kind: 'statements' }>['fault'], rate: number): Trouble => ({
  kind: 'statements',
  replica: null,
  fault,
  rate,
});

const partner = (mood: Extract<Trouble, { kind: 'partner' }>['mood'], rate: number): Trouble => ({
  kind: 'partner',
  mood,
  rate,
});

export const emphases = [
  // Bots that vanish in the midst of a test, on units that another host could take over.
  emphasis('lost bots', { times: { 'lost at work': 18 }, sharedUnits: true }),
  // Calls that arrive twice or late at a replica that has had the session.
  emphasis('wandering bots', {
    times: { network: 2, stop: 2 },
    climate: [
      { kind: 'duplication', rate: 0.4 },
      { kind: 'delay', maxMs: 4_000 },
    ],
    wanders: 0.5,
  }),
  emphasis('field bots', { fieldBots: true }),
  emphasis('lossy network', { climate: [{ kind: 'loss', rate: 0.15 }] }),
  // Of a commit, "lost after" is: done, and nobody knows.
  emphasis('failing statements', {
    climate: [statements('lost after', 0.02), statements('lost before', 0.01), statements('error before', 0.01)],
  }),
  emphasis('moody partner', { climate: [partner('drop', 0.25), partner('slow', 0.1), partner('garbage', 0.1)] }),
  emphasis('cancels', { times: { cancel: 4, look: 3 } }),
  emphasis('outages', { times: { outage: 8 } }),
  emphasis('lost notices', { climate: [{ kind: 'lost notices', rate: 1 }] }),
  // What a statement locked stays locked, so that readers meet transactions which are not over.
  emphasis('close watch', { climate: [statements('slow answer', 0.05)], closeWatch: true }),
  emphasis('tokens', { times: { token: 8 } }),
  emphasis('promotion', { failsOver: true }),
] as const satisfies readonly Emphasis[];

export type EmphasisName = (typeof emphases)[number]['name'];

/** Of so many seeds in a row, each emphasis has one; the rest are plain. */
export const CYCLE = 16;

export const emphasisOf = (seed: number): Emphasis => emphases[seed % CYCLE] ?? PLAIN;

/** @throws for a name that is none. */
export const emphasisNamed = (name: string): Emphasis => {
  const found = [PLAIN, ...emphases].find((each) => each.name === name);
  if (found === undefined)
    throw new TypeError(
      `there is no emphasis ${name}; there are ${[PLAIN, ...emphases].map((each) => each.name).join(', ')}`,
    );
  return found;
};
