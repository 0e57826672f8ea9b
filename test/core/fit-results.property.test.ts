import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fitResults } from '../../src/core/fit-results.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import { Refusal } from '../../src/core/refusal.ts';
import { detailsOf, saysTheSame, type TestResult } from '../../src/core/test-result.ts';
import { checkJson } from '../../src/core/text.ts';

const limits = { ...defaultLimits, text: { ...defaultLimits.text, nameBytesMax: 24, reasonBytesMax: 24 } };

const text = fc
  .array(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.constantFrom('\0', '\uD800')), { maxLength: 3 })
  .map((parts) => parts.join(''));
/** Mostly one that is taken, else nothing after the names would ever be looked at. */
const name = fc.oneof(
  { weight: 30, arbitrary: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 }) },
  text,
);
const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(NaN, Infinity, -Infinity, -0, Number.MAX_VALUE));
const result: fc.Arbitrary<TestResult> = fc.record({
  testId: name,
  status: fc.constantFrom('PASSED', 'FAILED', 'SKIPPED', 'FAILED_AND_WAIVED'),
  errorMessage: text,
  measurements: fc.array(
    fc.record({
      name,
      value: fc.oneof(fc.constant(null), number, text),
      unit: text,
      min: fc.option(number),
      max: fc.option(number),
      verdict: fc.constantFrom('PASSED', 'FAILED', null),
    }),
    { maxLength: 3 },
  ),
  attachments: fc.array(
    fc.record({
      name,
      sizeBytes: fc.oneof({ weight: 9, arbitrary: fc.nat() }, number),
      sha256: fc.oneof(fc.constant(''), fc.constant('a'.repeat(64))),
      mediaType: name,
    }),
    { maxLength: 2 },
  ),
  startedAt: fc.constant(null),
  durationMs: fc.option(fc.nat()),
  logsTail: text,
});

it('a result from outside is refused with words, or fit to be stored, told and read back as it is', () => {
  fc.assert(
    fc.property(fc.array(result, { maxLength: 3 }), (results) => {
      let fitted: readonly TestResult[];
      try {
        fitted = fitResults(results, limits);
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
        return;
      }
      checkJson('The results', fitted, limits.text.logsTailBytesMax);
      // Kept as JSON: nothing of it may be lost there, or a repeat would look like a contradiction.
      const stored = JSON.parse(JSON.stringify(fitted)) as TestResult[];
      stored.forEach((back, index) => {
        expect(saysTheSame(back, fitted[index]!)).toBe(true);
        expect(JSON.stringify(detailsOf(back))).toBe(JSON.stringify(detailsOf(fitted[index]!)));
      });
      expect(fitResults(fitted, limits)).toEqual(fitted);
    }),
    { numRuns: 500 },
  );
});
