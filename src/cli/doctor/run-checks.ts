/** All checks at once, each within its time. */
import type { Clock } from '../../core/clock.ts';
import { type Check, fail, type Finding, wordsOf } from './check.ts';

export type Judged = { readonly check: Check; readonly finding: Finding; readonly ms: number };

/** In the order of the checks. */
export const runChecks = (
  checks: readonly Check[],
  { clock, boundMs }: { readonly clock: Clock; readonly boundMs: number },
): Promise<readonly Judged[]> =>
  Promise.all(
    checks.map(async (check) => {
      const startMs = clock.monotonicMs();
      const finding = await judge(check, clock, check.boundMs ?? boundMs);
      return { check, finding, ms: clock.monotonicMs() - startMs };
    }),
  );

const judge = async (check: Check, clock: Clock, boundMs: number): Promise<Finding> => {
  const over = new AbortController();
  const asked = Promise.resolve(over.signal)
    .then(check.run)
    .catch((error: unknown) => fail(wordsOf(error)));
  const bound = clock.sleep(boundMs, over.signal).then(() => fail(`no end within ${String(boundMs)} ms`));
  const finding = await Promise.race([asked, bound]);
  over.abort();
  return finding;
};
