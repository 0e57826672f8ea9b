/** An operator wants the shopfloor asked again for leave to start a job that it refused. */
import { Refusal } from '../core/refusal.ts';
import type { Farm } from './farm.ts';
import { openGates } from './open-gates.ts';
import { type GateRequest, operateGate } from './operate-gate.ts';
import { checkedReason } from './operators-reason.ts';

/**
 * @param request.reason may be empty.
 * @throws Refusal NOT_FOUND, WRONG_STATE, INVALID.
 */
export const retryGate = async (farm: Farm, request: GateRequest): Promise<void> => {
  const reason = checkedReason(farm.limits, request.reason, { required: false });
  const words = `to ask the shopfloor again${reason === '' ? '' : `: ${reason}`}`;
  const { deviceId } = await operateGate(farm, request, { event: 'RETRIED', words }, (job) => {
    const why = job.heldReason ?? `its state is ${job.state}`;
    return new Refusal(
      'WRONG_STATE',
      'GATE_NOT_REFUSED',
      `Job ${String(job.id)} is not held by a refusal of the shopfloor (${why}), so there is nothing to ask again.`,
    );
  });
  if (deviceId !== null) await openGates(farm, [deviceId]);
};
