/** An operator gives a call up, so that its lane goes on without it. */
import { farmEvent } from '../core/farm-event.ts';
import { Refusal } from '../core/refusal.ts';
import { readFarmNow } from '../store/gates.ts';
import { lockJobs } from '../store/jobs.ts';
import { releaseLane } from '../store/lanes.ts';
import { type OperatedCall, readLatestCalls, settleAbandonedSends, skipCallRow } from '../store/shopfloor-calls.ts';
import { type Farm, transact } from './farm.ts';
import { announce, openLedger, writeLedger } from './ledger.ts';
import { moveGate } from './move-gate.ts';
import { type CallName, findCall, lockCall } from './operated-call.ts';
import { checkedReason } from './operators-reason.ts';

/**
 * For dead letters, and for the head of a lane that the shopfloor never answers readably: outages do not make it a dead
 * letter, and without this it would stand for ever. A job whose question is skipped is held as refused.
 * @throws Refusal NOT_FOUND; WRONG_STATE for a call that is settled, not yet at the head, or being sent; INVALID for a
 * reason that is missing or too long.
 */
export const skipCall = async (farm: Farm, request: CallName & { readonly reason: string }): Promise<void> => {
  const reason = checkedReason(farm.limits, request.reason, { required: true });
  const { deviceId, gate, jobId } = await findCall(farm.pool, request);
  const ledger = await transact(farm, async (db) => {
    const jobs = gate && jobId !== null ? await lockJobs(db, { jobIds: [jobId], sessionNames: [] }) : [];
    const call = await lockCall(db, request, deviceId);
    const refusal = whyNot(call);
    if (refusal !== null) throw refusal;
    // An older question, which was overridden once: the job has moved on, and may be waiting for another answer.
    const isCurrent = (await readLatestCalls(db, gate && jobId !== null ? [jobId] : [])).has(call.id);
    // A replica may have died over it; nobody else will ever say what became of that send.
    await settleAbandonedSends(db, [call.id]);
    await skipCallRow(db, call.id, reason);
    await releaseLane(db, deviceId, { advances: true });
    const opened = openLedger(await readFarmNow(db), { jobs });
    const asking = jobId === null ? undefined : opened.jobs.get(jobId);
    if (asking !== undefined) {
      const words = `the question to the shopfloor was skipped: ${reason}`;
      if (isCurrent) moveGate(farm, opened, asking, { event: 'UNASKED', words });
      // Another job of the DUT may have waited for this start to be settled.
      opened.wakes.push({ kind: 'device', id: deviceId });
    }
    const facts = { call: call.id, method: call.method, reason };
    const { leaseId } = call;
    opened.events.push(farmEvent('CALL_SKIPPED', request.instance, { jobId, leaseId, deviceId, facts }));
    opened.wakes.push({ kind: 'lanes' });
    await writeLedger(db, opened);
    return opened;
  });
  announce(ledger, farm);
};

const whyNot = ({ id, state, isHead, isOwned }: OperatedCall): Refusal | null => {
  if (state === 'DEAD') return null;
  if (state !== 'OWED') {
    return new Refusal('WRONG_STATE', 'CALL_SETTLED', `Call ${id} is ${state} already; there is nothing to skip.`, {
      state,
    });
  }
  if (!isHead) {
    const words = `Call ${id} waits for the ones before it in its lane; skip the first of those that are owed.`;
    return new Refusal('WRONG_STATE', 'CALL_NOT_AT_HEAD', words);
  }
  if (!isOwned) return null;
  const words = `Call ${id} is being sent just now; see in a moment what came of it, and skip it then.`;
  return new Refusal('WRONG_STATE', 'CALL_UNDER_WAY', words);
};
