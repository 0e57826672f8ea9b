import { describe, expect, it } from 'vitest';
import { gateStateOf, gateTable } from '../../src/core/gate.ts';

describe('a job at its gate', () => {
  it.each([
    ['GATE_TURN', 'ASKED', 'GATE'],
    ['GATE', 'ANSWERED', 'CLEARED'],
    ['GATE', 'FAULTED', 'GATE_REFUSED'],
    ['GATE', 'OVERRIDDEN', 'CLEARED'],
    ['GATE_REFUSED', 'RETRIED', 'GATE_TURN'],
    ['GATE_REFUSED', 'OVERRIDDEN', 'CLEARED'],
    ['CLEARED', 'LAPSED', 'GATE_TURN'],
    ['CLEARED', 'FAULTED', 'moot'],
    ['GATE_TURN', 'OVERRIDDEN', 'moot'],
  ] as const)('%s, %s: %s', (from, event, to) => {
    expect(gateTable[from][event]).toBe(to);
  });

  it('is cleared when nothing holds it and the shopfloor said yes', () => {
    const cleared = { state: 'QUEUED', heldBy: null, gateClearedUntil: new Date(0) } as const;
    expect(gateStateOf(cleared)).toBe('CLEARED');
    expect(gateStateOf({ ...cleared, gateClearedUntil: null })).toBeNull();
    expect(gateStateOf({ ...cleared, state: 'LEASED' })).toBeNull();
    expect(gateStateOf({ ...cleared, heldBy: 'ROUTE' })).toBeNull();
  });
});
