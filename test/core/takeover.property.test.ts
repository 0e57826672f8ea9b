import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Registration, watchTakeovers } from '../../src/core/takeover.ts';

const limits = { takeoversMax: 3, takeoverWindowMs: 300_000 };
const at = (ms: number): string => new Date(ms).toISOString();

/** Registers one after another; whether any of them raised the alarm, and the most that was remembered. */
const register = (all: readonly Registration[]) => {
  let remembered: readonly Registration[] = [];
  let alarmed = false;
  let most = 0;
  for (const now of all) {
    const watch = watchTakeovers(remembered, now, limits);
    remembered = watch.registrations;
    alarmed ||= watch.alarm !== null;
    most = Math.max(most, remembered.length);
  }
  return { alarmed, most };
};

describe('the watch over takeovers', () => {
  it('leaves one machine alone, however often it restarts', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60_000), { maxLength: 60 }), (gaps) => {
        let ms = 0;
        const all = gaps.map((gap, n) => ({ at: at((ms += gap)), peer: `10.0.0.1:${String(40_000 + n)}` }));
        expect(register(all).alarmed).toBe(false);
      }),
    );
  });

  it('sees two machines that take turns, within the window', () => {
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 30 }), fc.integer({ min: 0, max: 50_000 }), (turns, gapMs) => {
        const all = Array.from({ length: turns }, (_, n) => ({ at: at(n * gapMs), peer: n % 2 === 0 ? 'a' : 'b' }));
        expect(register(all).alarmed).toBe(true);
      }),
    );
  });

  it('remembers a bounded number, whoever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5_000), fc.string()), { maxLength: 100 }), (drawn) => {
        let ms = 0;
        const { most } = register(drawn.map(([gap, peer]) => ({ at: at((ms += gap)), peer })));
        expect(most).toBeLessThanOrEqual(16);
      }),
    );
  });
});
