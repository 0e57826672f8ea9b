import { describe, expect, it } from 'vitest';
import { judge, type TestStatus } from '../../src/core/verdict.ts';

const results = (given: Readonly<Record<string, TestStatus>>) => new Map(Object.entries(given));
const none = new Set<string>();

describe('the verdict', () => {
  it.each<[string, readonly string[], Readonly<Record<string, TestStatus>>, readonly string[], string]>([
    ['all passed', ['a', 'b'], { a: 'PASSED', b: 'PASSED' }, [], ''],
    ['a skipped test counts as passed', ['a'], { a: 'SKIPPED' }, [], ''],
    ['a waived failure, where the line lets it be waived', ['a'], { a: 'FAILED_AND_WAIVED' }, ['a'], ''],
    ['a waived failure elsewhere', ['a'], { a: 'FAILED_AND_WAIVED' }, ['b'], 'a: FAILED_AND_WAIVED, but not waivable'],
    ['a failure', ['a'], { a: 'FAILED' }, ['a'], 'a: FAILED'],
    ['a named test without a result', ['a', 'b'], { a: 'PASSED' }, [], 'b: no result'],
    ['no result at all', ['a'], {}, [], 'no result'],
    ['no result, and none was asked for', [], {}, [], 'no result'],
    ['a failure nobody asked for', ['a'], { a: 'PASSED', extra: 'FAILED' }, [], 'extra: FAILED'],
    ['a pass nobody asked for', ['a'], { a: 'PASSED', extra: 'PASSED' }, [], ''],
  ])('%s', (_name, testIds, given, waivable, why) => {
    expect(judge(testIds, results(given), new Set(waivable))).toEqual({
      verdict: why === '' ? 'PASSED' : 'FAILED',
      why,
    });
  });

  it('names the first few of many failures and counts the rest', () => {
    const testIds = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const failed = results(Object.fromEntries(testIds.map((id) => [id, 'FAILED'])));
    expect(judge(testIds, failed, none).why).toBe('a: FAILED; b: FAILED; c: FAILED; d: FAILED; e: FAILED; and 2 more');
  });
});
