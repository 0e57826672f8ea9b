/** How many test results one attempt may have on record, and how large they may be. */
import type { Limits } from './limits.ts';
import { invalid, type Refusal } from './refusal.ts';
import type { TestResult } from './test-result.ts';
import { bytesOf } from './text.ts';

type Amount = {
  readonly count: number;
  /** As JSON. */
  readonly bytes: number;
};

/** What an attempt has on record. What is stale takes no room of what counts. */
export type OnRecord = { readonly standing: Amount; readonly stale: Amount };

export const resultBytes = (result: TestResult): number => bytesOf(JSON.stringify(result));

export const findsRoom = (
  { standing, stale }: OnRecord,
  next: { readonly bytes: number; readonly stale: boolean },
  { jobs }: Limits,
): boolean => {
  const { count, bytes } = next.stale ? stale : standing;
  const countMax = next.stale ? jobs.staleResultsMax : jobs.resultsMax;
  return count < countMax && bytes + next.bytes <= jobs.resultsBytesMax;
};

/**
 * Why results, which would all count, cannot be taken; null: they can. Whoever may still be told is told: what is acknowledged is
 * kept.
 */
export const noRoomFor = (
  fresh: readonly TestResult[],
  { standing }: Pick<OnRecord, 'standing'>,
  { jobs }: Limits,
): Refusal | null => {
  // What says nothing new is no more than it was, whatever the limits have become.
  if (fresh.length === 0) return null;
  const count = standing.count + fresh.length;
  if (count > jobs.resultsMax) {
    const words = `The attempt would have ${count} test results; at most ${jobs.resultsMax} are kept of one. Report fewer tests, or sum some up.`;
    return invalid('TOO_MANY_RESULTS', words);
  }
  const bytes = fresh.reduce((sum, result) => sum + resultBytes(result), standing.bytes);
  if (bytes <= jobs.resultsBytesMax) return null;
  const words = `The results of the attempt would have ${bytes} bytes as JSON; at most ${jobs.resultsBytesMax} are kept of one. Send shorter logs, or fewer measurements.`;
  return invalid('RESULTS_TOO_BIG', words);
};
