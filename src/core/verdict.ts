/** The farm's own judgement of a station's results. */

export type TestStatus = 'PASSED' | 'FAILED' | 'SKIPPED' | 'FAILED_AND_WAIVED';
export type Verdict = 'PASSED' | 'FAILED';

/**
 * PASSED only if there is a result at all, every test that the work names has one that counts as passed, and no other
 * result failed. `waivable`: the test ids for which the line lets FAILED_AND_WAIVED count.
 */
export const judge = (
  testIds: readonly string[],
  results: ReadonlyMap<string, TestStatus>,
  waivable: ReadonlySet<string>,
): { readonly verdict: Verdict; readonly why: string } => {
  if (results.size === 0) return { verdict: 'FAILED', why: 'no result' };
  const why: string[] = [];
  for (const testId of testIds) if (!results.has(testId)) why.push(`${testId}: no result`);
  for (const [testId, status] of results) {
    if (status === 'FAILED') why.push(`${testId}: FAILED`);
    if (status === 'FAILED_AND_WAIVED' && !waivable.has(testId))
      why.push(`${testId}: FAILED_AND_WAIVED, but not waivable`);
  }
  return why.length === 0 ? { verdict: 'PASSED', why: '' } : { verdict: 'FAILED', why: sentence(why) };
};

/** The first few reasons are what an operator reads. */
const SHOWN_MAX = 5;
const sentence = (why: readonly string[]): string =>
  why.length <= SHOWN_MAX
    ? why.join('; ')
    : `${why.slice(0, SHOWN_MAX).join('; ')}; and ${String(why.length - SHOWN_MAX)} more`;
