import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressText } from '../../src/config/address.ts';
import { address, count, duration, durationText, share, size, sizeText } from '../../src/config/units.ts';

const DAY_MS = 86_400_000;
const numbers = fc.oneof(
  fc.integer({ min: 1, max: 24 * DAY_MS }),
  fc
    .tuple(fc.integer({ min: 1, max: 24 }), fc.constantFrom(1, 1000, 60_000, 3_600_000, DAY_MS))
    .map(([n, unit]) => n * unit),
);
const spaces = fc.constantFrom('', ' ', '  ', '\t');

describe('what a person writes', () => {
  it('a duration as printed reads as itself, with or without spaces', () => {
    fc.assert(
      fc.property(numbers, spaces, spaces, (ms, before, between) => {
        expect(duration().parse(durationText(ms))).toBe(ms);
        expect(duration().parse(before + durationText(ms).replace(' ', between) + before)).toBe(ms);
      }),
    );
  });

  it('a size as printed reads as itself', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1024 ** 3 }), (bytes) => {
        expect(size().parse(sizeText(bytes))).toBe(bytes);
      }),
    );
  });

  it('an address as printed reads as itself', () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(host, fc.integer({ min: 0, max: 65_535 }), (named, port) => {
        expect(address().parse(addressText({ host: named, port }))).toEqual({ host: named, port });
      }),
    );
  });

  it('anything else is refused with words that show how, and read as nothing', () => {
    const written = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...Array.from('0123456789. eE+-smhdKiB:[]')) }),
      fc.double(),
      fc.constantFrom('1e3 s', '0x10', '-1 s', '١ s', '1 S', '1,5 s', '∞', 'NaN', '1 constructor', '5 __proto__'),
    );
    fc.assert(
      fc.property(written, (text) => {
        for (const kind of [duration(), size(), count()]) {
          const read = kind.safeParse(text);
          if (read.success) expect(Number.isSafeInteger(read.data) && read.data >= 1).toBe(true);
          else expect(read.error.issues[0]!.message).toMatch(/write /);
        }
        const part = share().safeParse(text);
        if (part.success) expect(part.data >= 0 && part.data <= 1).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
