import { expect, test } from 'vitest';
import { homeWord, isCutOff } from '../../src/core/home-word.ts';

const MAX_MS = 20_000;

test.each([
  // now, written, silent since
  [20_000, 0, null, 'good'],
  [20_000, 0, 0, 'good'],
  [20_001, 0, null, 'old'],
  [20_001, 0, 0, 'cut off'],
  // Its bot was silent, and a heartbeat has just failed: the database may well be there.
  [60_000, 0, 55_000, 'old'],
  // Attached a moment ago, so the database was there.
  [60_000, 59_000, 0, 'good'],
] as const)('at %i, written at %i, the database silent since %s: %s', (nowMs, writtenMs, silentSinceMs, word) => {
  expect(homeWord({ nowMs, writtenMs, silentSinceMs }, MAX_MS)).toBe(word);
});

test.each([
  [20_000, 0, false],
  [20_001, 0, true],
  [90_000, null, false],
] as const)('at %i, silent since %s, a replica is cut off: %s', (nowMs, silentSinceMs, is) => {
  expect(isCutOff({ nowMs, silentSinceMs }, MAX_MS)).toBe(is);
});
