/** An operator's word stands for the shopfloor's: a job starts though it was refused, or not answered. */
import { Refusal } from '../core/refusal.ts';
import type { Farm } from './farm.ts';
import { type GateRequest, operateGate } from './operate-gate.ts';
import { checkedReason } from './operators-reason.ts';

/**
 * The override stands as long as a clearance would, and for one attempt. NotifyStart is not sent again: the shopfloor
 * has heard it, or will when it is back.
 * @throws Refusal NOT_FOUND, WRONG_STATE, INVALID for a reason that is missing or too long.
 */
export const overrideGate = async (farm: Farm, request: GateRequest): Promise<void> => {
  const words = checkedReason(farm.limits, request.reason, { required: true });
  await operateGate(farm, request, { event: 'OVERRIDDEN', words }, (job) => {
    const why = job.heldReason ?? `its state is ${job.state}`;
    return new Refusal(
      'WRONG_STATE',
      'GATE_NOT_ASKED',
      `Job ${String(job.id)} neither waits for the shopfloor's answer nor was refused (${why}), so there is nothing to override.`,
    );
  });
};
