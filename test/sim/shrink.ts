/** A failing run is repeated with fewer faults and jobs, as long as it fails in the same way. */
import type { SeedResult, SeedRun } from './run-seed.ts';

/** Repetitions, at most: a person waits. */
const TRIES_MAX = 40;

export const shrink = async (
  failed: SeedResult,
  run: SeedRun,
  again: (run: SeedRun) => Promise<SeedResult>,
): Promise<SeedResult> => {
  const invariant = failed.violations[0]?.invariant;
  let best = failed;
  let tries = 0;
  const failsWith = async (faults: readonly number[], jobs: readonly number[]): Promise<boolean> => {
    tries += 1;
    const result = await again({ ...run, faults, jobs });
    if (result.violations[0]?.invariant !== invariant) return false;
    best = result;
    return true;
  };
  const faultsOf = (): number[] => best.faults.map(({ number }) => number);
  await bisect(
    faultsOf(),
    () => tries < TRIES_MAX,
    (faults) => failsWith(faults, best.jobs),
  );
  await bisect(
    best.jobs,
    () => tries < TRIES_MAX,
    (jobs) => failsWith(faultsOf(), jobs),
  );
  return best;
};

/** Leaves out ever smaller parts of the list, and what was not needed stays out. */
const bisect = async (
  whole: readonly number[],
  mayTry: () => boolean,
  fails: (part: readonly number[]) => Promise<boolean>,
): Promise<void> => {
  let kept = whole;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < kept.length && mayTry();) {
      const without = [...kept.slice(0, from), ...kept.slice(from + size)];
      if (await fails(without)) kept = without;
      else from += size;
    }
  }
};
