/** How many test results one attempt may have on record, and how large all of them may be. */
import type { Limits } from './limits.ts';
import { invalid, type Refusal } from './refusal.ts';
import type { TestResult } from './test-result.ts';
import { bytesOf } from './text.ts';

/** What an attempt has on record. */
export type OnRecord = {
  /** Results that count. */
  readonly standing: number;
  readonly stale: number;
  /** Of both, as JSON. */
  readonly bytes: number;
};

export const resultBytes = (result: TestResult): number => bytesOf(JSON.stringify(result));

export const findsRoom = (
  { standing, stale, bytes }: OnRecord,
  next: { readonly bytes: number; readonly stale: boolean },
  { jobs }: Limits,
): boolean =>
  (next.stale ? stale < jobs.staleResultsMax : standing < jobs.resultsMax) &&
  bytes + next.bytes <= jobs.resultsBytesMax;

/**
 * Why results, which would all count, cannot be taken; null: they can. Whoever may still be told is told: what is acknowledged is
 * kept.
 */
export const noRoomFor = (fresh: readonly TestResult[], onRecord: OnRecord, { jobs }: Limits): Refusal | null => {
  const count = onRecord.standing + fresh.length;
  if (count > jobs.resultsMax) {
    const words = `The attempt would have ${count} test results; at most ${jobs.resultsMax} are kept of one. Report fewer tests, or sum some up.`;
    return invalid('TOO_MANY_RESULTS', words);
  }
  const bytes = fresh.reduce((sum, result) => sum + resultBytes(result), onRecord.bytes);
  if (bytes <= jobs.resultsBytesMax) return null;
  const words = `The results of the attempt would have ${bytes} bytes as JSON; at most ${jobs.resultsBytesMax} are kept of one. Send shorter logs, or fewer measurements.`;
  return invalid('RESULTS_TOO_BIG', words);
};
