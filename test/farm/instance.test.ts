/** Names of instances, on a farm whose configuration names none and takes any. */
import { expect, test } from 'vitest';
import { defaultLimits } from '../../src/core/limits.ts';
import { lineFor } from '../../src/farm/instance.ts';
import { testLine } from '../support/farm.ts';

const farm = { limits: defaultLimits, lineOf: (instance: string) => testLine({ instance }) };

test('any that can be kept is one', () => {
  expect(lineFor(farm, '').instance).toBe('');
  expect(lineFor(farm, 'é'.repeat(128)).instance).toHaveLength(128);
});

test.each([
  ['a\0', 'TEXT_NOT_STORABLE'],
  ['a\ud800', 'TEXT_NOT_STORABLE'],
  ['é'.repeat(129), 'TEXT_TOO_LONG'],
])('%j is none', (instance, reason) => {
  expect(() => lineFor(farm, instance)).toThrow(expect.objectContaining({ kind: 'INVALID', reason }));
});
