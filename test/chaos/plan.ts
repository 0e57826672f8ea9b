/** What goes wrong in a run, drawn from its seed before it begins. */
import type { Chance } from './chance.ts';
import { DUT_GRACE_MS, LOST_AFTER_MS, TTL_MS } from './times.ts';

export const KINDS = [
  'kill a replica',
  'kill a bot host',
  'kill PostgreSQL',
  'freeze a replica',
  'freeze a bot host',
  'cut connections',
  'half-open connections',
  'one-way connections',
  'kill the partner',
  'the partner lies',
  'the partner is slow',
  'no connections left',
  'disk full',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Disturbance {
  readonly kind: Kind;
  /** Since the run began. */
  readonly atMs: number;
  readonly forMs: number;
  /** Which of its sort; taken modulo how many there are. */
  readonly which: number;
  /** How it is done, from 0 to 1. */
  readonly manner: number;
}

/** Long enough that whoever was frozen is a true zombie: its session, and what it ran, belong to others by then. */
export const ZOMBIE_MIN_MS = 1.25 * Math.max(TTL_MS, LOST_AFTER_MS);
const ZOMBIE_MAX_MS = 2 * Math.max(TTL_MS, LOST_AFTER_MS);
/** Long enough that its DUT may have gone to another bot: one freeze of a host in three, where the run has the time. */
const LONG_ZOMBIE_MS = LOST_AFTER_MS + DUT_GRACE_MS + 5_000;
const LONG = 1 / 3;

// prettier-ignore
const lasts: Readonly<Record<Kind, readonly [minMs: number, maxMs: number]>> = {
  'kill a replica':         [200, 3_000],
  'kill a bot host':        [200, 4_000],
  'kill PostgreSQL':        [300, 6_000],
  'freeze a replica':       [ZOMBIE_MIN_MS, ZOMBIE_MAX_MS],
  'freeze a bot host':      [ZOMBIE_MIN_MS, ZOMBIE_MAX_MS],
  'cut connections':        [1, 1],
  'half-open connections':  [2_000, 12_000],
  'one-way connections':    [2_000, 12_000],
  'kill the partner':       [500, 8_000],
  'the partner lies':       [3_000, 8_000],
  'the partner is slow':    [3_000, 8_000],
  'no connections left':    [1_000, 5_000],
  'disk full':              [1_000, 4_000],
};

const GAP_MAX_MS = 4_000;
/** Of the run's time, within which each kind comes once. */
const ROUND_SHARE = 0.7;

/** Kinds come in rounds, each kind once in a round; a host is frozen early, so that even a short run has its zombies. */
export function planOf(chance: Chance, seconds: number): readonly Disturbance[] {
  const endMs = seconds * 1_000;
  const gapMs = Math.min(GAP_MAX_MS, (ROUND_SHARE * endMs) / KINDS.length);
  const plan: Disturbance[] = [];
  let deck: Kind[] = [];
  for (let atMs = gapMs; ; atMs += gapMs * (0.5 + chance.random())) {
    if (plan.length === 1) deck = [...deck.filter((kind) => kind !== 'freeze a bot host'), 'freeze a bot host'];
    const kind = deck.pop() ?? (deck = chance.shuffled(KINDS)).pop();
    if (kind === undefined) return plan;
    const [minMs, maxMs] = lasts[kind];
    const isLong = kind === 'freeze a bot host' && plan.length > 1 && chance.happens(LONG);
    const forMs = isLong ? LONG_ZOMBIE_MS : chance.between(Math.round(minMs), Math.round(maxMs));
    const drawn = { kind, atMs: Math.round(atMs), forMs, which: chance.below(1_000), manner: chance.random() };
    if (atMs >= endMs) return plan;
    if (atMs + forMs < endMs) plan.push(drawn);
  }
}
