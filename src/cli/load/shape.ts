/** How arrivals are spread over a run: pure functions of time, so that a schedule is known before it begins. */

export const shapes = ['steady', 'ramp', 'burst', 'wave'] as const;
export type Shape = (typeof shapes)[number];

export type Timing = {
  /** Jobs a second: of `steady` throughout, of `burst` on average, of `ramp` and `wave` at their highest. */
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** From burst to burst, from crest to crest. The others do not ask. */
  readonly periodMs: number;
};

type Course = {
  /** Jobs due in the first `ms` milliseconds, as a real number; never falls. */
  readonly arrivals: (ms: number, timing: Timing) => number;
  /** When the job with this number, counted from 0, is due: milliseconds after the start. */
  readonly dueMs: (number: number, timing: Timing) => number;
};

const SECOND_MS = 1000;

const steady: Course = {
  arrivals: (ms, { ratePerSecond }) => (ratePerSecond * ms) / SECOND_MS,
  dueMs: (number, { ratePerSecond }) => (number / ratePerSecond) * SECOND_MS,
};

/** From nothing to the rate, in a straight line. */
const ramp: Course = {
  arrivals: (ms, { ratePerSecond, durationMs }) => (ratePerSecond * ms * ms) / (2 * durationMs * SECOND_MS),
  dueMs: (number, { ratePerSecond, durationMs }) => Math.sqrt((2 * number * durationMs * SECOND_MS) / ratePerSecond),
};

/** All jobs of a period at its beginning, as a scheduler does that works by the clock. */
const burst: Course = {
  arrivals: (ms, { ratePerSecond, durationMs, periodMs }) =>
    (ratePerSecond * Math.min(durationMs, periodMs * (Math.floor(ms / periodMs) + 1))) / SECOND_MS,
  dueMs: (number, { ratePerSecond, periodMs }) =>
    Math.floor((number * SECOND_MS) / (ratePerSecond * periodMs)) * periodMs,
};

/** Up to the rate and down to nothing again, as a sine: a day in small. */
const wave: Course = {
  arrivals: (ms, { ratePerSecond, periodMs }) => {
    const turn = (2 * Math.PI) / periodMs;
    return (ratePerSecond / 2 / SECOND_MS) * (ms - Math.sin(turn * ms) / turn);
  },
  // It has no inverse in plain functions, but it rises, so halving finds it.
  dueMs: (number, timing) => {
    // So near to the foot of the wave rounding would say that less than nothing has arrived.
    if (number === 0) return 0;
    let [low, high] = [0, timing.durationMs];
    for (let step = 0; step < HALVINGS; step += 1) {
      const middle = (low + high) / 2;
      if (wave.arrivals(middle, timing) < number) low = middle;
      else high = middle;
    }
    return high;
  },
};

/** Of a day they leave less than a microsecond. */
const HALVINGS = 38;

const courses: Readonly<Record<Shape, Course>> = { steady, ramp, burst, wave };

/** Jobs due in the first `ms` milliseconds of a run, as a real number. */
export const arrivals = (shape: Shape, timing: Timing, ms: number): number => courses[shape].arrivals(ms, timing);

/** Jobs of the whole run: all that are due before its end. */
export const jobsOf = (shape: Shape, timing: Timing): number =>
  Math.ceil(courses[shape].arrivals(timing.durationMs - DUST_MS, timing));

/** What rounding may add to a whole number must not make one job more. */
const DUST_MS = 1e-6;

export const dueMs = (shape: Shape, timing: Timing, number: number): number => courses[shape].dueMs(number, timing);
