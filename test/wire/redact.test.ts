import { expect, test } from 'vitest';
import { redact, redactText } from '../../src/wire/redact.ts';

const HEX_CODE = '0123456789ab'.repeat(6);
const NEW_CODE = `=${'CioKIKDu-_x'.repeat(6)}`;

test('secret members are hidden at any depth, under any dotted key', () => {
  expect(
    redact({
      ubind_attribute: 'abc',
      'vpd.rw.gbind_attribute': '',
      deep: [{ stable_device_secret_DO_NOT_SHARE: 42, 'factory.line': 'L4' }],
      'vpd.rw.ubind_attribute': null,
    }),
  ).toEqual({
    ubind_attribute: '<redacted 3 chars>',
    'vpd.rw.gbind_attribute': '<redacted 0 chars>',
    deep: [{ stable_device_secret_DO_NOT_SHARE: '<redacted>', 'factory.line': 'L4' }],
    'vpd.rw.ubind_attribute': null,
  });
});

test('registration codes are hidden in any text', () => {
  expect(redactText(`bad code ${HEX_CODE}, or ${NEW_CODE}!`)).toBe(
    'bad code <redacted 72 chars>, or <redacted 67 chars>!',
  );
  expect(redact(['x', HEX_CODE])).toEqual(['x', '<redacted 72 chars>']);
});

test('serials, hashes and sums stay as they are', () => {
  const hash = 'a'.repeat(64);
  expect(redactText(`C123 ${hash} a==b x=${hash}`)).toBe(`C123 ${hash} a==b x=${hash}`);
});

test('binary is counted, cycles end, __proto__ stays a member', () => {
  const cycle: Record<string, unknown> = { blob: new Uint8Array(3) };
  cycle['self'] = cycle;
  expect(JSON.stringify(redact(cycle))).toContain('nested too deep to show');
  expect(redact({ blob: cycle['blob'] })).toEqual({ blob: '<3 bytes>' });
  expect(JSON.stringify(redact(JSON.parse('{"__proto__": 1}')))).toBe('{"__proto__":1}');
});
