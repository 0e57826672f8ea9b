import { expect, test } from 'vitest';
import { fitResults } from '../../src/core/fit-results.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import { saysTheSame, type TestResult } from '../../src/core/test-result.ts';
import { storableTail, storableText } from '../../src/core/text.ts';

const result = (changes: Partial<TestResult> = {}): TestResult => ({
  testId: 'FAT.Probe',
  status: 'PASSED',
  errorMessage: '',
  measurements: [],
  attachments: [],
  startedAt: null,
  durationMs: null,
  logsTail: '',
  ...changes,
});
const measurement = { name: 'current', value: 1.5, unit: 'mA', min: null, max: 2, verdict: null } as const;

test('prose is cleaned of what cannot be stored, and cut between characters', () => {
  expect(storableText('a\0b\ud800', 100)).toBe('a\uFFFDb\uFFFD');
  expect(storableText('ÄÖÜ', 5)).toBe('ÄÖ');
  expect(storableTail('ÄÖÜ', 5)).toBe('ÖÜ');
  expect(storableTail('whole', 5)).toBe('whole');
});

test('what a gauge said is kept, though JSON has no NaN and no infinity', () => {
  const { NaN: nan, POSITIVE_INFINITY: infinite } = Number;
  const [fit] = fitResults([result({ measurements: [{ ...measurement, value: nan, max: infinite }] })], defaultLimits);
  expect(fit?.measurements).toEqual([{ ...measurement, value: 'NaN', max: null }]);
});

test('a duration that no protobuf can carry is none', () => {
  const durations = [null, 0, 315_576_000_000_000, 315_576_000_000_001, 1e19];
  const fit = fitResults(
    durations.map((durationMs) => result({ durationMs })),
    defaultLimits,
  );
  expect(fit.map(({ durationMs }) => durationMs)).toEqual([null, 0, 315_576_000_000_000, null, null]);
});

test.each([
  ['NAME_EMPTY', { testId: '' }],
  ['TEXT_NOT_STORABLE', { testId: 'a\0' }],
  ['NAME_EMPTY', { measurements: [{ ...measurement, name: '' }] }],
  ['ATTACHMENT_HASH', { attachments: [{ name: 'log', sizeBytes: 1, sha256: 'ABC', mediaType: '' }] }],
  ['ATTACHMENT_SIZE', { attachments: [{ name: 'log', sizeBytes: -1, sha256: '', mediaType: '' }] }],
  ['TOO_MANY_ATTACHMENTS', { attachments: Array(257).fill({ name: 'l', sizeBytes: 1, sha256: '', mediaType: '' }) }],
])('refuses a result for %s', (reason, changes) => {
  expect(() => fitResults([result(changes as Partial<TestResult>)], defaultLimits)).toThrow(
    expect.objectContaining({ kind: 'INVALID', reason }),
  );
});

test('a result says the same whatever the order of its members, and another when a measurement differs', () => {
  const { verdict, max, min, unit, value, name } = measurement;
  const reordered = result({ measurements: [{ verdict, max, min, unit, value, name }] });
  expect(saysTheSame(result({ measurements: [measurement] }), reordered)).toBe(true);
  expect(saysTheSame(result({ measurements: [{ ...measurement, value: 2 }] }), reordered)).toBe(false);
  expect(saysTheSame(result(), reordered)).toBe(false);
});
