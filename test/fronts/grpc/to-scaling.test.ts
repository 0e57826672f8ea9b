/** Properties of bots as the metadata of a ScaledObject lists them. */
import { expect, test } from 'vitest';
import { toScaling } from '../../../src/fronts/grpc/to-scaling.ts';

const properties = (text: string) => toScaling({ scalerMetadata: { instance: '', properties: text } }).asked.properties;

test('are pairs, with white space around what is said', () => {
  expect(properties(' pool = smt , site=north=2,empty=')).toEqual(properties('pool=smt,site=north=2,empty='));
  expect(properties('pool=smt')).not.toEqual(properties('pool=fat'));
});

test.each(['', 'pool', '=smt', ' = smt', 'pool=smt,', ' '.repeat(1_000_000), `${' '.repeat(1_000_000)}=x`])(
  'no list of them, and soon found out: %#',
  (text) => {
    expect(() => properties(text)).toThrow(expect.objectContaining({ reason: 'SCALER_METADATA' }));
  },
);
