/** In which order two sides take their turns: everything with one switch, and as much of the rest as there is time for. */

/** So many statements of a side, or fewer if it ends or waits for the other. */
export type Run = { readonly side: 'A' | 'B'; readonly turns: number };

/** After the last run, its side goes on for as long as it can, and the other one only while it cannot. */
export type Schedule = readonly Run[];

const rest = Infinity;

/** `A3 B2 A`: three of A, two of B, then A until it ends, then B. */
export const scheduleText = (schedule: Schedule): string =>
  schedule.map(({ side, turns }) => `${side}${turns === rest ? '' : String(turns)}`).join(' ');

export const parseSchedule = (text: string): Schedule =>
  text.split(' ').map((run) => ({ side: run.startsWith('A') ? 'A' : 'B', turns: Number(run.slice(1)) || rest }));

export const aFirst: Schedule = [{ side: 'A', turns: rest }];
export const bFirst: Schedule = [{ side: 'B', turns: rest }];

export type Steps = { readonly a: number; readonly b: number };

/** One side is interrupted once, by the whole of the other: at every statement boundary of either. */
export const oneSwitch = (steps: Steps): Schedule[] => [
  ...upTo(steps.a).map((turns): Schedule => [{ side: 'A', turns }, ...bFirst]),
  ...upTo(steps.b).map((turns): Schedule => [{ side: 'B', turns }, ...aFirst]),
];

/** The interrupting side is interrupted in its turn. */
export const twoSwitches = (steps: Steps): Schedule[] =>
  upTo(steps.a).flatMap((a) =>
    upTo(steps.b).flatMap((b): Schedule[] => [
      [{ side: 'A', turns: a }, { side: 'B', turns: b }, ...aFirst],
      [{ side: 'B', turns: b }, { side: 'A', turns: a }, ...bFirst],
    ]),
  );

/** A coin for every turn. */
export const tossed = (steps: Steps, random: () => number): Schedule =>
  Array.from({ length: steps.a + steps.b }, () => ({ side: random() < 0.5 ? 'A' : 'B', turns: 1 }));

/** So many of them, each at most once, in an order that the seed decides. */
export const sample = <T>(all: readonly T[], count: number, random: () => number): T[] => {
  const left = [...all];
  return Array.from({ length: Math.min(count, left.length) }, () =>
    left.splice(Math.floor(random() * left.length), 1),
  ).flat();
};

/** Numbers in [0, 1) that a seed repeats (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** 1, 2, … and not the last: after all of its statements a side has ended. */
const upTo = (steps: number): number[] => Array.from({ length: Math.max(0, steps - 1) }, (_, index) => index + 1);
