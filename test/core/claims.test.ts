import { expect, test } from 'vitest';
import { claimNotAllowed, type ClaimRule } from '../../src/core/claims.ts';
import { canonicalProperties } from '../../src/core/match.ts';

const rules: readonly ClaimRule[] = [
  { bots: 'fat-*', property: 'station', values: ['FAT', 'FFT'] },
  { bots: 'fat-9', property: 'station', values: ['SMT'] },
  { bots: 'smt-?', property: 'label:station', values: ['SMT*'] },
  { bots: '*', property: 'serials.serial_number', values: ['LAB-*'] },
  { bots: 'mute', property: 'model', values: [] },
];

// prettier-ignore
test.each([
  ['what the first rule that fits names',          'fat-1', [['station', 'FAT']],                       null],
  ['and with the prefix that means the same',      'fat-1', [['label:station', 'FFT']],                 null],
  ['no other value',                               'fat-1', [['station', 'SMT']],                       { property: 'station', value: 'SMT' }],
  ['none of several that is not allowed',          'fat-1', [['station', 'FAT'], ['station', 'GRT']],   { property: 'station', value: 'GRT' }],
  ['nothing by a later rule',                      'fat-9', [['station', 'SMT']],                       { property: 'station', value: 'SMT' }],
  ['what a pattern of values fits',                'smt-1', [['station', 'SMT-TOP']],                   null],
  ['nothing under a name that no rule fits',       'other', [['station', 'FAT']],                       { property: 'station', value: 'FAT' }],
  ['a pinned serial only as pinned',               'other', [['serials.serial_number', 'SN-1']],        { property: 'serials.serial_number', value: 'SN-1' }],
  ['what no rule names',                           'other', [['color', 'red'], ['serials.mlb', 'M']],   null],
  ['not even the empty value where there is none', 'mute',  [['model', '']],                            { property: 'model', value: '' }],
  ['nothing at all',                               'fat-1', [],                                         null],
] as const)('lets a bot declare %s', (_, botId, pairs, refused) => {
  expect(claimNotAllowed(rules, { botId, properties: canonicalProperties(pairs) })).toEqual(refused);
});
