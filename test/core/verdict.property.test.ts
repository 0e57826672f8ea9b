import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, type TestStatus } from '../../src/core/verdict.ts';

const testId = fc.constantFrom<string>('a', 'b', 'c', 'd', '__proto__');
const status = fc.constantFrom<TestStatus>('PASSED', 'FAILED', 'SKIPPED', 'FAILED_AND_WAIVED');
const asked = fc.record({
  named: fc.uniqueArray(testId),
  results: fc.uniqueArray(fc.tuple(testId, status), { selector: ([id]) => id }).map((pairs) => new Map(pairs)),
  waivable: fc.uniqueArray(testId).map((ids) => new Set(ids)),
});

describe('the verdict, whatever the results', () => {
  it('is PASSED exactly when docs/explanation/verdicts.md says so', () => {
    fc.assert(
      fc.property(asked, ({ named, results, waivable }) => {
        const isGood = (id: string): boolean =>
          results.get(id) === 'PASSED' ||
          results.get(id) === 'SKIPPED' ||
          (results.get(id) === 'FAILED_AND_WAIVED' && waivable.has(id));
        const passed = results.size > 0 && named.every(isGood) && [...results.keys()].every(isGood);
        const { verdict, why } = judge(named, results, waivable);
        expect(verdict).toBe(passed ? 'PASSED' : 'FAILED');
        expect(why === '').toBe(passed);
      }),
      { numRuns: 500 },
    );
  });

  it('does not depend on the order in which results came', () => {
    fc.assert(
      fc.property(asked, ({ named, results, waivable }) => {
        const backwards = new Map([...results].reverse());
        expect(judge(named, backwards, waivable).verdict).toBe(judge(named, results, waivable).verdict);
      }),
    );
  });

  it('is never made better by a failure, nor by naming one test more', () => {
    fc.assert(
      fc.property(asked, testId, ({ named, results, waivable }, id) => {
        if (judge(named, results, waivable).verdict === 'PASSED') return;
        const worse = new Map(results).set(id, 'FAILED');
        expect(judge(named, worse, waivable).verdict).toBe('FAILED');
        expect(judge([...named, id], results, waivable).verdict).toBe('FAILED');
      }),
    );
  });
});
