import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalConstraints, canonicalProperties, propertiesText, satisfies } from '../../src/core/match.ts';

const properties = canonicalProperties([
  ['label:pool', 'smt'],
  ['pool', 'fat'],
  ['empty', ''],
]);

describe('matching', () => {
  it.each([
    ['any of the bot’s values will do', [{ key: 'pool', allowedValues: ['fat', 'other'] }], true],
    ['with and without `label:` is one key', [{ key: 'pool', allowedValues: ['smt'] }], true],
    ['an empty value is a value', [{ key: 'empty', allowedValues: [''] }], true],
    ['no constraints: everybody', [], true],
    ['a key that is not there', [{ key: 'gpu', allowedValues: [''] }], false],
    ['a value that is not there', [{ key: 'pool', allowedValues: ['grt'] }], false],
    [
      'every key counts',
      [
        { key: 'pool', allowedValues: ['smt'] },
        { key: 'empty', allowedValues: ['x'] },
      ],
      false,
    ],
  ])('%s', (_name, constraints, does) => {
    expect(satisfies(properties, constraints)).toBe(does);
  });

  it('gives equal text to equal properties, in whatever order and however often they are said', () => {
    const pair = fc.tuple(fc.constantFrom('a', 'label:a', 'b', '__proto__', '10', '9'), fc.constantFrom('', 'x', 'y'));
    fc.assert(
      fc.property(fc.array(pair), fc.infiniteStream(fc.nat()), (pairs, dice) => {
        const shuffled = [...pairs, ...pairs]
          .map((each) => ({ each, at: dice.next().value as number }))
          .sort((a, b) => a.at - b.at)
          .map(({ each }) => each);
        expect(propertiesText(canonicalProperties(shuffled))).toBe(propertiesText(canonicalProperties(pairs)));
      }),
    );
  });

  it('gives equal form to equal wishes', () => {
    const one = canonicalConstraints([
      { key: 'label:b', allowedValues: ['2', '1', '1'] },
      { key: 'a', allowedValues: ['x'] },
    ]);
    const other = canonicalConstraints([
      { key: 'a', allowedValues: ['x'] },
      { key: 'b', allowedValues: ['1', '2'] },
    ]);
    expect(one).toEqual(other);
  });
});
