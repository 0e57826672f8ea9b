import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StationRule } from '../../src/core/line.ts';
import { callsOfEnd, callsOfStart } from '../../src/core/shopfloor-call.ts';
import { testRule } from '../support/farm.ts';

const rule: fc.Arbitrary<StationRule> = fc
  .constantFrom<'passed' | 'always'>('passed', 'always')
  .map((notifyEnd) => testRule({ notifyEnd }));
const verdict = fc.constantFrom('PASSED', 'FAILED', null);

describe('what a shopfloor is told of an attempt', () => {
  it('opens it once and closes it once, and ends a unit’s stay only on a pass unless the line wants it always', () => {
    fc.assert(
      fc.property(rule, verdict, fc.string(), fc.string(), fc.boolean(), (said, ended, station, why, gated) => {
        const start = callsOfStart(station, gated).map(({ method }) => method);
        expect(start).toEqual(gated ? [] : ['NotifyStart']);
        const end = callsOfEnd(said, station, ended, why);
        const closing = end.filter((call) => call.testId === station && call.status === 'FAILED');
        expect(closing).toHaveLength(ended === 'PASSED' ? 0 : 1);
        const leaves = end.some(({ method }) => method === 'NotifyEnd');
        expect(leaves).toBe(ended === 'PASSED' || said.notifyEnd === 'always');
        // The last word of an attempt is its end, where there is one.
        if (leaves) expect(end.at(-1)!.method).toBe('NotifyEnd');
        expect(end.every((call) => call.station === station && !call.gate)).toBe(true);
      }),
    );
  });
});
