import fc from 'fast-check';
import { expect, it } from 'vitest';
import { holdMs } from '../../src/core/bot-session.ts';

it('a poll is held for no longer than asked, and always leaves its client time to hear the answer', () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(
      fc.option(fc.integer({ min: -10_000, max: 10_000_000 })),
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 1, max: 200_000 }),
      random,
      (untilDeadlineMs, holdMaxMs, ttlMs, chance) => {
        const hold = holdMs(untilDeadlineMs, { holdMaxMs, ttlMs }, chance);
        expect(hold).toBeGreaterThanOrEqual(0);
        expect(hold).toBeLessThanOrEqual(Math.min(holdMaxMs, 0.8 * ttlMs));
        if (untilDeadlineMs !== null && hold > 0) {
          expect(untilDeadlineMs - hold).toBeGreaterThanOrEqual(300);
        }
        const longest = holdMs(untilDeadlineMs, { holdMaxMs, ttlMs }, 0);
        expect(hold).toBeGreaterThanOrEqual(0.9 * longest - 1e-6);
      },
    ),
  );
});
