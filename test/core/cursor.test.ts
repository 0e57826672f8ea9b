import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cursorOf, positionOf } from '../../src/core/cursor.ts';
import { Refusal } from '../../src/core/refusal.ts';

const asked = ['jobs', 'line-1', ['QUEUED'], null];

describe('a cursor', () => {
  it('comes back as it went', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
        fc.maxSafeInteger(),
        (text, number) => {
          expect(positionOf(asked, cursorOf(asked, [text, number]), ['text', 'number'])).toEqual([text, number]);
        },
      ),
    );
  });

  it('is refused by a question with other filters', () => {
    const cursor = cursorOf(['jobs', 'line-1', [], null], [7]);
    expect(() => positionOf(asked, cursor, ['number'])).toThrow('other filters');
  });

  it('has an id that the database would take for none, where there must be one', () => {
    const id = '0b9dbd4c-6e2b-4f0a-9a0a-0d6a3a1d6c11';
    expect(positionOf(asked, cursorOf(asked, [id]), ['uuid'])).toEqual([id]);
    expect(() => positionOf(asked, cursorOf(asked, ['x']), ['uuid'])).toThrow(Refusal);
  });

  it('is refused when it is anything else, and never read as one of ours', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map((json) => Buffer.from(json).toString('base64url')),
        ),
        (text) => {
          expect(() => positionOf(asked, text, ['number'])).toThrow(Refusal);
        },
      ),
    );
  });

  it.each([
    ['a number where text belongs', [7], ['text']],
    ['text where a number belongs', ['7'], ['number']],
    ['a number that no id can be', [1.5], ['number']],
    ['too few parts', [7], ['number', 'number']],
  ] as const)('is refused with %s', (_what, position, shape) => {
    expect(() => positionOf(asked, cursorOf(asked, position), shape)).toThrow('not one of ours');
  });
});
