import { describe, expect, it } from 'vitest';
import { stepCall } from '../../src/core/send-outcome.ts';

const FAULTS_MAX = 5;
const fact = { gate: false, faults: 0 };
const gate = { gate: true, faults: 0 };
const send = (outcome: Parameters<typeof stepCall>[0]['outcome'], code: number | null = null) => ({ outcome, code });

describe('a shopfloor call after a send', () => {
  it('is delivered, and the lane goes on, when it was answered', () => {
    expect(stepCall(send('answered'), fact, FAULTS_MAX)).toEqual({ state: 'DELIVERED', lane: 'advance', faults: 0 });
  });

  it('goes again after a fault, which is counted', () => {
    expect(stepCall(send('fault', -1001), fact, FAULTS_MAX)).toEqual({ state: 'OWED', lane: 'wait', faults: 1 });
  });

  it('is a dead letter at the fifth fault, and blocks its lane', () => {
    const fourTimes = { ...fact, faults: 4 };
    expect(stepCall(send('fault', -1001), fourTimes, FAULTS_MAX)).toEqual({ state: 'DEAD', lane: 'block', faults: 5 });
  });

  it.each([-32600, -32601, -32602])('is a dead letter at once after the permanent fault %i', (code) => {
    expect(stepCall(send('fault', code), fact, FAULTS_MAX).state).toBe('DEAD');
  });

  it.each(['refused', 'ambiguous'] as const)('costs nothing when it was %s, however often', (outcome) => {
    const often = { ...fact, faults: 4 };
    expect(stepCall(send(outcome), often, FAULTS_MAX)).toEqual({ state: 'OWED', lane: 'wait', faults: 4 });
  });

  it('that asks at a gate takes a fault for the answer, never for an error', () => {
    const refused = { state: 'GATE_REFUSED', lane: 'advance', faults: 6 };
    expect(stepCall(send('fault', -32601), { ...gate, faults: 5 }, FAULTS_MAX)).toEqual(refused);
  });
});
