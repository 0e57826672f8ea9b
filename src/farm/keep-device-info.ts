/** What a shopfloor answered a DUT's question about itself, kept with its record: but for registration codes, which never are. */
import { readFarmNow } from '../store/gates.ts';
import { type Farm, transact } from './farm.ts';
import { announce, openLedger, writeLedger } from './ledger.ts';
import { lockForMerge, mergeDeviceData } from './merge-device-data.ts';
import { findDevices } from '../store/devices.ts';
import { serialsOf } from './take-shopfloor-call.ts';

export type DeviceInfo = {
  readonly instance: string;
  readonly said: Readonly<Record<string, unknown>>;
  readonly told: Readonly<Record<string, unknown>>;
};

/** Of a DUT that the farm knows. Nothing that goes wrong here is the DUT's affair: it has its answer. */
export const keepDeviceInfo = async (farm: Farm, { instance, said, told }: DeviceInfo): Promise<void> => {
  try {
    const [known] = await findDevices(farm.pool, instance, serialsOf(said));
    if (known === undefined) return;
    const reply = { instance, deviceId: known.deviceId, jobId: null, deviceData: told };
    const ledger = await transact(farm, async (db) => {
      await lockForMerge(db, [reply], []);
      const opened = openLedger(await readFarmNow(db));
      await mergeDeviceData(farm, db, opened, [reply]);
      await writeLedger(db, opened);
      return opened;
    });
    announce(ledger, farm);
  } catch (error) {
    farm.log.warn({ err: error }, 'what the shopfloor told a DUT of itself could not be kept');
  }
};
