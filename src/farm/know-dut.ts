/** The DUT that a call is about, by its serials; one that was never seen gets its record. */
import { findDevices, type Serial } from '../store/devices.ts';
import { countSerials } from '../store/enqueue.ts';
import { type FarmSeams, transact } from './farm.ts';
import { distinct, resolveEach } from './resolve-devices.ts';

/**
 * In a commit of its own, and none where everything is known: whoever registers serials keeps all others of the instance waiting.
 * More serials than a DUT may have are left out; it is known by the others.
 */
export const knowDut = async (farm: FarmSeams, instance: string, serials: readonly Serial[]): Promise<number> => {
  const known = await findDevices(farm.pool, instance, serials);
  const ids = distinct(known.map(({ deviceId }) => deviceId));
  const [only] = ids;
  if (only !== undefined && ids.length === 1 && known.length === serials.length) return only;
  const counts = await countSerials(farm.pool, ids);
  const room = farm.limits.devices.serialsMax - Math.max(0, ...counts.values());
  const isKnown = (serial: Serial): boolean =>
    known.some(({ name, value }) => name === serial.name && value === serial.value);
  const added = serials.filter((serial) => !isKnown(serial)).slice(0, Math.max(0, room));
  const named = [...serials.filter(isKnown), ...added];
  const [deviceId] = await transact(farm, (db) => resolveEach(db, instance, [named]));
  if (deviceId === undefined || deviceId === null) throw new Error('serials were resolved to no DUT');
  return deviceId;
};
