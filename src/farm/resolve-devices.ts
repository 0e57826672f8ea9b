/** From the serials a bot or a job names to the farm's own device ids; a DUT first seen gets its record here. */
import { addSerials, findDevices, holdDevices, insertDevice, lockSerials, type Serial } from '../store/devices.ts';
import type { Queryable } from '../store/transaction.ts';

/**
 * The device of each list of serials, in the order given; made where none of its serials is known. A list whose serials
 * belong to more than one device holds them all, with the reason (ARCHITECTURE, Words: DUT), and stands for the first of them.
 */
export const resolveDevices = async (
  db: Queryable,
  instance: string,
  duts: readonly (readonly Serial[])[],
): Promise<number[]> => {
  const all = duts.flat();
  let known = [...(await findDevices(db, instance, all))];
  // The common case: everything was seen before, and nothing is locked.
  if (all.length > known.length) {
    await lockSerials(db, instance);
    known = [...(await findDevices(db, instance, all))];
  }
  const ids: number[] = [];
  for (const serials of duts) {
    if (serials.length === 0) continue;
    const owners = [
      ...new Set(known.filter((row) => serials.some((serial) => same(serial, row))).map((row) => row.deviceId)),
    ];
    const id = owners[0] ?? (await insertDevice(db, instance));
    if (owners.length > 1) await holdDevices(db, owners, conflictWords(serials, owners));
    const isNew = serials.filter((serial) => !known.some((row) => same(serial, row)));
    if (isNew.length > 0) await addSerials(db, { id, instance }, isNew);
    // Two devices of one bot may name the same serial: they are one DUT.
    known.push(...isNew.map((serial) => ({ ...serial, deviceId: id })));
    if (!ids.includes(id)) ids.push(id);
  }
  return ids;
};

const same = (a: Serial, b: Serial): boolean => a.name === b.name && a.value === b.value;

const conflictWords = (serials: readonly Serial[], owners: readonly number[]): string =>
  `serials ${serials.map(({ name, value }) => `${name}=${value}`).join(', ')} were declared for one DUT ` +
  `but belong to devices ${owners.join(' and ')}; find out which is right, then release the devices`;
