/** Moments as messages say them, which may be any. */
import { expect, test } from 'vitest';
import { dateOf, dateOrNull } from '../../../src/fronts/grpc/convert-time.ts';

test('a moment is a date, to the millisecond before', () => {
  const shown = (seconds: bigint, nanos: number) => dateOrNull({ seconds, nanos })?.toISOString();
  expect(shown(0n, 1_999_999)).toBe('1970-01-01T00:00:00.001Z');
  expect(shown(-62_135_596_800n, 0)).toBe('0001-01-01T00:00:00.000Z');
  expect(shown(253_402_300_799n, 999_999_999)).toBe('9999-12-31T23:59:59.999Z');
});

test('there are none before the year 1 and after 9999', () => {
  for (const seconds of [-62_135_596_801n, 253_402_300_800n, 9_223_372_036_854_775_807n]) {
    expect(dateOrNull({ seconds, nanos: 0 })).toBeNull();
    expect(() => dateOf('The expiry', { seconds, nanos: 0 })).toThrow(
      expect.objectContaining({ reason: 'TIME_OUT_OF_RANGE' }),
    );
  }
});
