/** A job at a gated station: it asks the shopfloor for leave before any bot is chosen (ARCHITECTURE, A gate). */
import type { HeldBy, JobState } from './job.ts';

/** As `HeldBy`; CLEARED: the shopfloor said yes, and the job may run for as long as that stands. */
export type GateState = 'GATE_TURN' | 'GATE' | 'GATE_REFUSED' | 'CLEARED';

export type GateEvent =
  | 'ASKED' // its turn has come: NotifyStart is owed
  | 'ANSWERED' // without a fault
  | 'FAULTED'
  | 'UNASKED' // an operator took the question out of the lane
  | 'LAPSED' // nobody started in time
  | 'RETRIED' // an operator wants it asked again
  | 'OVERRIDDEN'; // an operator's word stands for the shopfloor's

type Cell = GateState | 'moot';

/**
 * Surprising cells:
 * - GATE, OVERRIDDEN: the shopfloor is away and the line cannot wait. The question stays in the lane as the start.
 * - GATE_TURN, OVERRIDDEN: nothing has been asked, so there is no start in the lane that the results could follow.
 * - CLEARED, ANSWERED and FAULTED: the late answer to a question that was overridden.
 */
// prettier-ignore
export const gateTable: Readonly<Record<GateState, Readonly<Record<GateEvent, Cell>>>> = {
  GATE_TURN:    { ASKED: 'GATE', ANSWERED: 'moot',    FAULTED: 'moot',         UNASKED: 'moot',         LAPSED: 'moot',      RETRIED: 'moot',      OVERRIDDEN: 'moot' },
  GATE:         { ASKED: 'moot', ANSWERED: 'CLEARED', FAULTED: 'GATE_REFUSED', UNASKED: 'GATE_REFUSED', LAPSED: 'moot',      RETRIED: 'moot',      OVERRIDDEN: 'CLEARED' },
  GATE_REFUSED: { ASKED: 'moot', ANSWERED: 'moot',    FAULTED: 'moot',         UNASKED: 'moot',         LAPSED: 'moot',      RETRIED: 'GATE_TURN', OVERRIDDEN: 'CLEARED' },
  CLEARED:      { ASKED: 'moot', ANSWERED: 'moot',    FAULTED: 'moot',         UNASKED: 'moot',         LAPSED: 'GATE_TURN', RETRIED: 'moot',      OVERRIDDEN: 'moot' },
};

/** Where a job stands at its gate; null: it is not at one. */
export const gateStateOf = (job: {
  readonly state: JobState;
  readonly heldBy: HeldBy | null;
  readonly gateClearedUntil: Date | null;
}): GateState | null => {
  if (job.state !== 'QUEUED') return null;
  switch (job.heldBy) {
    case 'GATE_TURN':
    case 'GATE':
    case 'GATE_REFUSED':
      return job.heldBy;
    case null:
      return job.gateClearedUntil === null ? null : 'CLEARED';
    case 'ROUTE':
    case 'ROUTE_STOPPED':
    case 'DEVICE':
    case 'ACTION':
      return null;
  }
};
