import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redact, redactText } from '../../src/wire/redact.ts';

const SECRETS = ['ubind_attribute', 'gbind_attribute', 'stable_device_secret_DO_NOT_SHARE'];
const CANARY = 'tell-nobody';
const hexCode = fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdef')), minLength: 72, maxLength: 72 });
const newCode = fc
  .string({ unit: fc.constantFrom(...Array.from('ABCxyz019_-')), minLength: 40, maxLength: 120 })
  .map((body) => `=${body}`);
const code = fc.oneof(hexCode, newCode);
/** What no letter of a code is: words glued to a code make it another word. */
const around = fc.array(fc.constantFrom(' ', '"', ',', '\n', '/', '<', '€', '('), { minLength: 1, maxLength: 4 });

const path = fc.array(fc.oneof(fc.constantFrom('a', 'vpd.rw', '__proto__'), fc.nat(3)), { maxLength: 10 });
/** A value with `leaf` at the end of the path, and a few bystanders. */
const nested = (steps: readonly (string | number)[], leaf: unknown): unknown =>
  steps.reduceRight<unknown>(
    (inner, step) =>
      typeof step === 'number'
        ? [step, inner]
        : Object.fromEntries([
            [step, inner],
            ['n', step],
          ]),
    leaf,
  );

describe('what may be shown', () => {
  it('has no secret member in it, however deep, and whatever its value', () => {
    fc.assert(
      fc.property(
        path,
        fc.constantFrom('', 'vpd.rw.', 'a.b.'),
        fc.constantFrom(...SECRETS),
        fc.constantFrom<unknown>(CANARY, [CANARY], { deep: CANARY }, 42_424_242),
        (steps, prefix, name, value) => {
          const shown = JSON.stringify(redact(nested(steps, { [prefix + name]: value })));
          expect(shown).not.toContain(CANARY);
          expect(shown).not.toContain('42424242');
          expect(shown).toContain('redacted');
        },
      ),
    );
  });

  it('has no registration code in it, wherever it stands in a text', () => {
    fc.assert(
      fc.property(path, around, code, around, (steps, before, secret, after) => {
        const said = nested(steps, `${before.join('')}${secret}${after.join('')}`);
        expect(JSON.stringify(redact(said))).not.toContain(secret);
      }),
    );
  });

  it('is redacted once and for all', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), fc.oneof(code, fc.string()), (value, text) => {
        const once = redact([value, text]);
        expect(redact(once)).toEqual(once);
        expect(redactText(redactText(text))).toBe(redactText(text));
      }),
    );
  });

  it('is otherwise as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        if (/[0-9a-f]{72}|=[\w-]{40}|bind_attribute|DO_NOT_SHARE/.test(text)) return;
        expect(JSON.stringify(redact(value))).toBe(text);
      }),
    );
  });
});
