import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GateEvent, type GateState, gateStateOf, gateTable } from '../../src/core/gate.ts';
import type { HeldBy, JobState } from '../../src/core/job.ts';

const events = Object.keys(gateTable.GATE) as GateEvent[];

describe('any walk of a gate', () => {
  const walks = fc.array(fc.constantFrom(...events), { maxLength: 60 });
  const walk = (path: readonly GateEvent[]) => {
    let state: GateState = 'GATE_TURN';
    return path.map((event) => {
      const from: GateState = state;
      const cell = gateTable[from][event];
      if (cell !== 'moot') state = cell;
      return { event, from, to: state, moved: cell !== 'moot' };
    });
  };

  it('clears only what was asked since its last turn, on the shopfloor’s word or an operator’s', () => {
    fc.assert(
      fc.property(walks, (path) => {
        let asked = false;
        for (const { event, from, to, moved } of walk(path)) {
          if (moved && event === 'ASKED') asked = true;
          if (moved && to === 'CLEARED') {
            expect(asked).toBe(true);
            expect(['ANSWERED', 'OVERRIDDEN']).toContain(event);
          }
          if (to === 'GATE_TURN' && from !== 'GATE_TURN') asked = false;
        }
      }),
    );
  });

  it('asks once for each turn, and hears one answer', () => {
    fc.assert(
      fc.property(walks, (path) => {
        const moves = walk(path).filter(({ moved }) => moved);
        moves.forEach(({ event }, index) => {
          if (event !== 'ASKED') return;
          const next = moves[index + 1];
          if (next !== undefined) expect(['ANSWERED', 'FAULTED', 'UNASKED', 'OVERRIDDEN']).toContain(next.event);
        });
      }),
    );
  });

  it('can always be brought to CLEARED by the shopfloor and an operator', () => {
    fc.assert(
      fc.property(walks, (path) => {
        let state = walk(path).at(-1)?.to ?? 'GATE_TURN';
        for (const event of ['RETRIED', 'ASKED', 'ANSWERED'] as const) {
          const cell = gateTable[state][event];
          if (cell !== 'moot') state = cell;
        }
        expect(state).toBe('CLEARED');
      }),
    );
  });
});

it('a job stands at a gate only while it is queued, and for exactly what holds it', () => {
  const states: readonly JobState[] = ['QUEUED', 'LEASED', 'CANCELLING', 'FINISHED', 'FAILED', 'CANCELLED'];
  const heldBy: readonly (HeldBy | null)[] = [
    null,
    ...(['ROUTE', 'ROUTE_STOPPED', 'GATE_TURN', 'GATE', 'GATE_REFUSED', 'DEVICE', 'ACTION'] as const),
  ];
  for (const state of states) {
    for (const held of heldBy) {
      for (const until of [null, new Date(0)]) {
        const at = gateStateOf({ state, heldBy: held, gateClearedUntil: until });
        const isAtGate = held?.startsWith('GATE') === true;
        const cleared = held === null && until !== null;
        const expected = state !== 'QUEUED' ? null : isAtGate ? held : cleared ? 'CLEARED' : null;
        expect(at).toBe(expected);
      }
    }
  }
});
