/** The physical side of the line: what runs on which unit, whatever the farm believes. */
import type { Life } from './life.ts';
import type { World } from './world.ts';

export type Run = {
  readonly board: string;
  readonly by: string;
  readonly what: string;
  /** Whether the farm knows that it has begun. An older client runs what it never said, and nobody can hold its unit for it. */
  readonly isKnown: () => boolean;
};

/** How long a test goes on when its bot's process is killed and not started again: less than the farm's `dut_grace`. */
const ORPHAN_MS = 200_000;
/** Into a test; none is shorter. */
const PLAN_MS = 400;

export class Fixtures {
  readonly #world: World;
  readonly #running = new Map<string, Set<Run>>();
  /** Units of which somebody lies to the farm (two bots under one name): there two may run at once. */
  readonly #lied = new Set<string>();
  /** What is to befall a bot when it next begins a test. */
  readonly #plans = new Map<string, () => void>();

  constructor(world: World) {
    this.#world = world;
  }

  lieAbout(board: string): void {
    this.#lied.add(board);
  }

  /** Done once, when that bot next begins a test; an earlier plan for it is forgotten. */
  atNextRun(by: string, then: () => void): void {
    this.#plans.set(by, then);
  }

  forgetPlans(): void {
    this.#plans.clear();
  }

  /** A test begins on a unit. The killed process's tests run on for a time, unless its next life ends them. */
  begin(life: Life, run: Run): { readonly end: () => void } {
    const { time, trace } = this.#world;
    const here = this.#running.get(run.board) ?? new Set<Run>();
    this.#running.set(run.board, here);
    const other = [...here].find(({ what, isKnown }) => what !== run.what && isKnown());
    if (other !== undefined && !this.#lied.has(run.board)) {
      this.#world.violate(
        '8: a DUT runs one lease at a time',
        `${run.by} runs ${run.what} on ${run.board} while ${other.by} still runs ${other.what} there`,
      );
    }
    here.add(run);
    trace.add(run.by, `runs ${run.what} on ${run.board}`);
    const end = (): void => {
      if (here.delete(run)) trace.add(run.by, `has stopped ${run.what} on ${run.board}`);
    };
    life.onDeath(() => time.after(ORPHAN_MS, end));
    const plan = this.#plans.get(run.by);
    this.#plans.delete(run.by);
    if (plan !== undefined) time.after(PLAN_MS, plan);
    return { end };
  }

  /** A bot's new process first ends what its last one left running. */
  clearUp(by: string): void {
    for (const here of this.#running.values()) for (const run of here) if (run.by === by) here.delete(run);
  }
}
