import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalConstraints, canonicalProperties, satisfies } from '../../src/core/match.ts';
import { newMatching, serves } from '../../src/farm/matching.ts';

const key = fc.constantFrom('pool', 'label:pool', 'board', 'label:board', '__proto__', 'label:', 'label:label:pool');
const value = fc.constantFrom('', 'x', 'y', 'constructor');
const said = fc.array(fc.tuple(key, value), { maxLength: 6 });
const wishes = fc.array(fc.record({ key, allowedValues: fc.array(value, { minLength: 1, maxLength: 3 }) }), {
  maxLength: 4,
});

/** The rule (docs/reference/contract.md, R-MATCH-1), read off the pairs as the bot said them. */
const plainly = (
  pairs: readonly (readonly [string, string])[],
  wanted: readonly { key: string; allowedValues: readonly string[] }[],
) => {
  const bare = (name: string) => name.replace(/^label:/, '');
  return wanted.every((wish) =>
    pairs.some(([name, has]) => bare(name) === bare(wish.key) && wish.allowedValues.includes(has)),
  );
};

describe('matching, whatever a bot says and a job wants', () => {
  it('is what the rule says of the pairs themselves', () => {
    fc.assert(
      fc.property(said, wishes, (pairs, wanted) => {
        const does = satisfies(canonicalProperties(pairs), canonicalConstraints(wanted));
        expect(does).toBe(plainly(pairs, wanted));
      }),
      { numRuns: 500 },
    );
  });

  it('is the same decided once for a class and remembered, and never crosses instances', () => {
    fc.assert(
      fc.property(fc.array(said, { minLength: 1, maxLength: 4 }), fc.array(wishes, { maxLength: 4 }), (bots, jobs) => {
        const matching = newMatching();
        jobs.forEach((constraints, id) => {
          matching.requirements.set(id, { instance: 'here', constraints: canonicalConstraints(constraints) });
        });
        for (const instance of ['here', 'there', 'here']) {
          bots.forEach((pairs, index) => {
            const bot = { instance, properties: canonicalProperties(pairs), classKey: `${instance} ${String(index)}` };
            jobs.forEach((wanted, id) => {
              expect(serves(matching, bot, id)).toBe(instance === 'here' && plainly(pairs, wanted));
            });
          });
        }
      }),
    );
  });

  it('of a bot that has more to offer is never less', () => {
    fc.assert(
      fc.property(said, said, wishes, (pairs, more, wanted) => {
        const constraints = canonicalConstraints(wanted);
        if (!satisfies(canonicalProperties(pairs), constraints)) return;
        expect(satisfies(canonicalProperties([...more, ...pairs]), constraints)).toBe(true);
      }),
    );
  });
});
