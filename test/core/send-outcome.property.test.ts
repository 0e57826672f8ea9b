import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SendOutcome, stepCall } from '../../src/core/send-outcome.ts';

const FAULTS_MAX = 5;
const PERMANENT = [-32600, -32601, -32602];

const send = fc.oneof(
  fc.constantFrom<SendOutcome>('answered', 'refused', 'ambiguous').map((outcome) => ({ outcome, code: null })),
  fc
    .oneof(fc.integer({ min: -2000, max: 2000 }), fc.constantFrom(...PERMANENT))
    .map((code) => ({ outcome: 'fault' as const, code })),
);

/** Sends of one call until it no longer waits, at most as many as there are outcomes. */
const life = (gate: boolean, outcomes: readonly { outcome: SendOutcome; code: number | null }[]) => {
  const steps: (ReturnType<typeof stepCall> & { outcome: SendOutcome })[] = [];
  let faults = 0;
  for (const outcome of outcomes) {
    const step = stepCall(outcome, { gate, faults }, FAULTS_MAX);
    steps.push({ ...step, outcome: outcome.outcome });
    faults = step.faults;
    if (step.lane !== 'wait') break;
  }
  return steps;
};

describe('a shopfloor call, whatever becomes of its sends', () => {
  const outcomes = fc.array(send, { minLength: 1, maxLength: 60 });

  it('is delivered by an answer and by nothing else, and its lane goes on exactly then or at a gate’s no', () => {
    fc.assert(
      fc.property(fc.boolean(), outcomes, (gate, ends) => {
        for (const { state, lane, outcome } of life(gate, ends)) {
          expect(state === 'DELIVERED').toBe(outcome === 'answered');
          expect(lane === 'advance').toBe(outcome === 'answered' || (gate && outcome === 'fault'));
          expect(state === 'OWED').toBe(lane === 'wait');
          expect(state === 'DEAD').toBe(lane === 'block');
        }
      }),
    );
  });

  it('counts answered faults and only those: no number of outages kills it', () => {
    fc.assert(
      fc.property(outcomes, (ends) => {
        let faults = 0;
        for (const step of life(false, ends)) {
          faults += step.outcome === 'fault' ? 1 : 0;
          expect(step.faults).toBe(faults);
          if (step.outcome === 'refused' || step.outcome === 'ambiguous') expect(step.lane).toBe('wait');
        }
        expect(faults).toBeLessThanOrEqual(FAULTS_MAX);
      }),
    );
  });

  it('is dead by the fifth fault at the latest, sooner only by a permanent one', () => {
    fc.assert(
      fc.property(outcomes, (ends) => {
        const steps = life(false, ends);
        const last = steps.at(-1)!;
        if (last.state !== 'DEAD') return;
        const code = ends[steps.length - 1]!.code;
        expect(last.faults === FAULTS_MAX || PERMANENT.includes(code!)).toBe(true);
      }),
    );
  });

  it('that asks at a gate is never dead', () => {
    fc.assert(
      fc.property(outcomes, (ends) => {
        for (const { state } of life(true, ends)) expect(state).not.toBe('DEAD');
      }),
    );
  });
});
