/** People have compared notes with their partner after a restore: its shopfloor may be told again. */
import { farmEvent } from '../core/farm-event.ts';
import { Refusal } from '../core/refusal.ts';
import { readFarmNow } from '../store/gates.ts';
import { insertResume, makeLanesDue, readPause, type Restore } from '../store/restores.ts';
import { type Farm, transact } from './farm.ts';
import { lineFor } from './instance.ts';
import { announce, openLedger, writeLedger } from './ledger.ts';
import { checkedReason } from './operators-reason.ts';

/**
 * What is owed is due at once, in the order of its lanes. Returns the restore that is settled with this.
 * @throws Refusal INVALID for an unknown instance or without a reason; WRONG_STATE when it is not paused.
 */
export const resumeBridge = async (
  farm: Farm,
  request: { readonly instance: string; readonly reason: string },
): Promise<Restore> => {
  const { instance } = request;
  lineFor(farm, instance);
  const reason = checkedReason(farm.limits, request.reason, { required: true });
  const { ledger, restore } = await transact(farm, async (db) => {
    const restore = await readPause(db, instance);
    if (restore === null || !(await insertResume(db, instance, restore.number, reason))) throw notPaused(instance);
    await makeLanesDue(db, instance);
    const ledger = openLedger(await readFarmNow(db));
    ledger.events.push(farmEvent('BRIDGE_RESUMED', instance, { facts: { restore: restore.number, reason } }));
    ledger.wakes.push({ kind: 'lanes' });
    await writeLedger(db, ledger);
    return { ledger, restore };
  });
  announce(ledger, farm);
  return restore;
};

const notPaused = (instance: string): Refusal =>
  new Refusal(
    'WRONG_STATE',
    'BRIDGE_NOT_PAUSED',
    `The bridge of instance ${JSON.stringify(instance)} is not paused; its shopfloor is told as always. ` +
      'After a restore that the farm could not see, say `stationgrid db restored` first.',
  );
