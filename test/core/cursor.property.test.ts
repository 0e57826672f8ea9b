import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cursorOf, positionOf } from '../../src/core/cursor.ts';
import { Refusal } from '../../src/core/refusal.ts';

const asked = ['jobs', 'line-1', ['QUEUED'], null];

it('a cursor with a letter changed, cut or added is refused, or names a place of the right shape', () => {
  const change = fc.record({
    at: fc.nat(),
    what: fc.constantFrom('replace', 'cut', 'insert'),
    letter: fc.string({ maxLength: 1 }),
  });
  fc.assert(
    fc.property(
      fc.maxSafeInteger(),
      fc.string(),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      (id, text, changes) => {
        let cursor = cursorOf(asked, [text, id]);
        for (const { at, what, letter } of changes) {
          const place = at % cursor.length || 0;
          cursor =
            cursor.slice(0, place) +
            (what === 'cut' ? '' : letter) +
            cursor.slice(what === 'insert' ? place : place + 1);
        }
        try {
          const [name, number] = positionOf(asked, cursor, ['text', 'number']);
          expect(typeof name === 'string' && !name.includes('\0')).toBe(true);
          expect(Number.isSafeInteger(number)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
        }
      },
    ),
    { numRuns: 500 },
  );
});

it('no two questions share a scope by how their parts are cut', () => {
  const part = fc.oneof(
    fc.string({ maxLength: 4 }),
    fc.constant(null),
    fc.array(fc.string({ maxLength: 2 }), { maxLength: 2 }),
  );
  const question = fc.array(part, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(question, question, (one, other) => {
      fc.pre(JSON.stringify(one) !== JSON.stringify(other));
      expect(() => positionOf(other, cursorOf(one, [1]), ['number'])).toThrow('other filters');
    }),
  );
});
