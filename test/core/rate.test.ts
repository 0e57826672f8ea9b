import { expect, test } from 'vitest';
import { fullBucket, refilled, takeToken } from '../../src/core/rate.ts';

const rate = { perSecond: 10, burst: 3 };

/** What each of these times is told, one call each. */
const waits = (times: readonly number[]): readonly number[] => {
  let bucket = fullBucket(rate, 0);
  return times.map((nowMs) => {
    const taken = takeToken(bucket, nowMs, rate);
    bucket = taken.bucket;
    return taken.waitMs;
  });
};

// prettier-ignore
test.each([
  ['a burst at once, and then no more',            [0, 0, 0, 0],           [0, 0, 0, 100]],
  ['one more as soon as it was said to come',      [0, 0, 0, 0, 100],      [0, 0, 0, 100, 0]],
  ['a token too early is told how long still',     [0, 0, 0, 60],          [0, 0, 0, 40]],
  ['asking in vain costs nothing',                 [0, 0, 0, 50, 50, 100], [0, 0, 0, 50, 50, 0]],
  ['no more than the burst after a long quiet',    [0, 9e6, 9e6, 9e6, 9e6], [0, 0, 0, 0, 100]],
  ['a clock that stands still gives nothing back', [5, 5, 5, 5],           [0, 0, 0, 100]],
])('%s', (_, times, told) => {
  expect(waits(times)).toEqual(told);
});

test('is as full after a quiet time as at first', () => {
  const { bucket } = takeToken(fullBucket(rate, 0), 0, rate);
  expect(refilled(bucket, 99, rate).tokens).toBeLessThan(3);
  expect(refilled(bucket, 100, rate).tokens).toBe(3);
});
