import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Refusal } from '../../src/core/refusal.ts';
import { bytesOf, checkJson, checkText, storableTail, storableText } from '../../src/core/text.ts';

/** Text as peers may send it: any code units, halves of surrogate pairs and U+0000 among them. */
const anyText = fc
  .array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('\0', '\uD800', '\uDFFF', '😀', '\uFEFF')), {
    maxLength: 12,
  })
  .map((parts) => parts.join(''));
const room = fc.nat(40);

const isTaken = (check: () => void): boolean => {
  try {
    check();
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal);
    return false;
  }
};

describe('text from outside, whatever it is', () => {
  it('is taken exactly when PostgreSQL and UTF-8 can hold it and it is no longer than allowed', () => {
    fc.assert(
      fc.property(anyText, room, (text, bytesMax) => {
        const fits = !text.includes('\0') && text.isWellFormed() && Buffer.byteLength(text) <= bytesMax;
        expect(isTaken(() => checkText('It', text, bytesMax))).toBe(fits);
      }),
    );
  });

  it.each([
    ['head', storableText],
    ['tail', storableTail],
  ] as const)('kept as prose, its %s is storable, within bounds, and as long as it can be', (keep, storable) => {
    fc.assert(
      fc.property(anyText, room, (text, bytesMax) => {
        const kept = storable(text, bytesMax);
        checkText('It', kept, bytesMax);
        const whole = text.toWellFormed().replaceAll('\0', '\uFFFD');
        expect(keep === 'head' ? whole.startsWith(kept) : whole.endsWith(kept)).toBe(true);
        // One character more would not have fitted, and no character is longer than four bytes.
        if (kept !== whole) expect(bytesOf(kept)).toBeGreaterThan(bytesMax - 4);
        expect(storable(kept, bytesMax)).toBe(kept);
      }),
    );
  });

  it('within a value of any shape is found wherever it hides, in keys as in members', () => {
    const values = fc.anything({
      key: anyText,
      values: [anyText, fc.integer(), fc.boolean(), fc.constant(null)],
      withNullPrototype: true,
      maxDepth: 4,
    });
    fc.assert(
      fc.property(values, (value) => {
        // JSON.stringify writes a half of a pair, and U+0000, as escapes of its own: what is left of them is looked for.
        const written = JSON.stringify(value) ?? '';
        const isStorable = !/\\u0000|\\ud[89ab]|\\ud[cdef]/i.test(written.replaceAll('\\\\', ''));
        expect(isTaken(() => checkJson('It', value, 1_000_000))).toBe(isStorable);
      }),
    );
  });

  it('nested without end is refused, not followed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 40, max: 5000 }), fc.boolean(), (depth, asList) => {
        let value: unknown = 'x';
        for (let i = 0; i < depth; i += 1) value = asList ? [value] : { value };
        expect(() => checkJson('It', value, 1_000_000)).toThrow('nested deeper');
      }),
    );
  });
});
