/** An operator wants a dead letter sent again. */
import { farmEvent } from '../core/farm-event.ts';
import { Refusal } from '../core/refusal.ts';
import { releaseLane } from '../store/lanes.ts';
import { type OperatedCall, oweCallAgain } from '../store/shopfloor-calls.ts';
import { type Farm, transact } from './farm.ts';
import { announce, openLedger, writeLedger } from './ledger.ts';
import { type CallName, findCall, lockCall } from './operated-call.ts';
import { readFarmNow } from '../store/gates.ts';

/**
 * The call is due at once, and its lane goes on with it. Its faults keep their count: one more makes it a dead letter
 * again, so that an operator soon sees whether the cause is gone.
 * @throws Refusal NOT_FOUND; WRONG_STATE for a call that is no dead letter.
 */
export const retryCall = async (farm: Farm, name: CallName): Promise<void> => {
  const { deviceId } = await findCall(farm.pool, name);
  const ledger = await transact(farm, async (db) => {
    const call = await lockCall(db, name, deviceId);
    if (call.state !== 'DEAD') throw notDead(call);
    await oweCallAgain(db, call.id);
    await releaseLane(db, deviceId, { advances: false });
    const opened = openLedger(await readFarmNow(db));
    const { jobId, leaseId, method } = call;
    const facts = { call: call.id, method };
    opened.events.push(farmEvent('CALL_RETRIED', name.instance, { jobId, leaseId, deviceId, facts }));
    opened.wakes.push({ kind: 'lanes' });
    await writeLedger(db, opened);
    return opened;
  });
  announce(ledger, farm);
};

const notDead = ({ id, state }: OperatedCall): Refusal =>
  new Refusal(
    'WRONG_STATE',
    'CALL_NOT_DEAD',
    state === 'OWED'
      ? `Call ${id} is still owed and is sent again by itself; wait, or skip it if the shopfloor will never answer it.`
      : `Call ${id} is ${state} already; only a dead letter can be sent again.`,
    { state },
  );
