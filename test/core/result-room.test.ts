import { expect, test } from 'vitest';
import { defaultLimits } from '../../src/core/limits.ts';
import { fitResults } from '../../src/core/fit-results.ts';
import { testResult } from '../support/bot-calls.ts';

test('a single result has a limit of its own', () => {
  const measurement = { name: 'm', value: 'x'.repeat(2000), unit: '', min: null, max: null, verdict: null };
  const results = [{ ...testResult('probe', 'PASSED'), measurements: Array(1100).fill(measurement) }];
  expect(() => fitResults(results, defaultLimits)).toThrow(
    expect.objectContaining({ reason: 'RESULTS_TOO_BIG', message: expect.stringContaining('at most 2097152') }),
  );
  expect(fitResults([{ ...results[0]!, measurements: [measurement] }], defaultLimits)).toHaveLength(1);
});
