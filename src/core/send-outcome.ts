/** What becomes of a shopfloor call, and of its lane, by how a send of it ended (ARCHITECTURE, invariants 12 to 14). */

/** `refused`: nothing was sent. `ambiguous`: bytes were sent, and no readable answer came; it may have been applied. */
export type SendOutcome = 'answered' | 'fault' | 'refused' | 'ambiguous';

/** `GATE_REFUSED`: the shopfloor said no to a job's start. `DEAD`: blocks its lane until an operator acts. */
export type CallState = 'OWED' | 'DELIVERED' | 'GATE_REFUSED' | 'DEAD' | 'SKIPPED';

/** `advance`: the next call may go. `wait`: this one goes again later. `block`: an operator must act. */
export type LaneMove = 'advance' | 'wait' | 'block';

type Cell = { readonly state: CallState; readonly lane: LaneMove };

const deliver: Cell = { state: 'DELIVERED', lane: 'advance' };
const refuseGate: Cell = { state: 'GATE_REFUSED', lane: 'advance' };
const tryAgain: Cell = { state: 'OWED', lane: 'wait' };
const die: Cell = { state: 'DEAD', lane: 'block' };

/** A fault of a call that tells a fact: one of several, or the last one that is borne. */
type FaultOf = 'gate' | 'fact' | 'fact, once too often';

/**
 * Surprising cells:
 * - gate, fault: the answer to a question is no error. It never becomes a dead letter, and the lane goes on.
 * - refused, ambiguous: outages cost nothing, however many there are; only an answered fault counts against a call.
 */
// prettier-ignore
const table: Readonly<Record<SendOutcome, Readonly<Record<FaultOf, Cell>>>> = {
  answered:  { 'gate': deliver,    'fact': deliver,  'fact, once too often': deliver },
  fault:     { 'gate': refuseGate, 'fact': tryAgain, 'fact, once too often': die },
  refused:   { 'gate': tryAgain,   'fact': tryAgain, 'fact, once too often': tryAgain },
  ambiguous: { 'gate': tryAgain,   'fact': tryAgain, 'fact, once too often': tryAgain },
};

/**
 * Fault codes after which the same call can only fail again (the common XML-RPC fault codes: not a request, no such
 * method, wrong parameters).
 */
const PERMANENT_FAULTS: ReadonlySet<number> = new Set([-32600, -32601, -32602]);

export type CallStep = {
  readonly state: CallState;
  readonly lane: LaneMove;
  /** Answered faults, this one counted in. */
  readonly faults: number;
};

/**
 * @param send.code of a fault; null otherwise.
 * @param call.faults answered faults before this send. A dead letter that an operator has sent again keeps its count, so
 * that one more fault is enough.
 */
export const stepCall = (
  send: { readonly outcome: SendOutcome; readonly code: number | null },
  call: { readonly gate: boolean; readonly faults: number },
  faultsMax: number,
): CallStep => {
  const faults = call.faults + (send.outcome === 'fault' ? 1 : 0);
  const enough = faults >= faultsMax || (send.code !== null && PERMANENT_FAULTS.has(send.code));
  const cell = table[send.outcome][call.gate ? 'gate' : enough ? 'fact, once too often' : 'fact'];
  return { ...cell, faults };
};
