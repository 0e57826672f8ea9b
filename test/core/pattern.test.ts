import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesPattern } from '../../src/core/pattern.ts';

describe('a pattern over bot ids', () => {
  it.each([
    ['*', '', true],
    ['*', 'dut-host-7', true],
    ['dut-*', 'dut-7', true],
    ['dut-*', 'dut', false],
    ['dut-?', 'dut-7', true],
    ['dut-?', 'dut-17', false],
    ['*-7', 'rack-1-dut-7', true],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxbyy', false],
    ['', '', true],
    ['', 'x', false],
    ['a.c', 'abc', false],
    ['?', '😀', true],
    ['100%', '100%', true],
  ])('%j fits %j: %s', (pattern, text, fits) => {
    expect(matchesPattern(pattern, text)).toBe(fits);
  });

  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 10 });

  it('agrees with a regular expression of the same meaning', () => {
    fc.assert(
      fc.property(letters, text, (pattern, given) => {
        const meaning = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        expect(matchesPattern(pattern, given)).toBe(meaning.test(given));
      }),
    );
  });

  it('takes no longer than the product of the lengths, where backtracking would never end', () => {
    expect(matchesPattern(`${'a*'.repeat(100)}b`, 'a'.repeat(10_000))).toBe(false);
  });
});
