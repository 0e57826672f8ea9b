import fc from 'fast-check';
import { expect, it } from 'vitest';
import { backoffMs } from '../../src/core/backoff.ts';

const limits = { backoffMinMs: 1_000, backoffMaxMs: 60_000 };

it.each([
  [1, 1_000],
  [2, 2_000],
  [6, 32_000],
  [7, 60_000],
  [1_000_000, 60_000],
])('after %i failures the ceiling is %i ms', (failures, ceiling) => {
  expect(backoffMs(failures, limits, 1)).toBe(ceiling);
});

it('waits anywhere between nothing and the ceiling', () => {
  fc.assert(
    fc.property(fc.nat(), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (failures, random) => {
      const ms = backoffMs(failures, limits, random);
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThanOrEqual(limits.backoffMaxMs);
    }),
  );
});
