/** From the serials a bot or a job names to the farm's own device ids; a DUT first seen gets its record here. */
import { addSerials, findDevices, holdDevices, insertDevice, lockSerials, type Serial } from '../store/devices.ts';
import type { Queryable } from '../store/transaction.ts';

/**
 * The device of each list of serials, in the order given; made where none of its serials is known; null for an empty list.
 * A list whose serials belong to more than one device holds them all, with the reason (ARCHITECTURE, Words: DUT), and
 * stands for the first of them.
 */
export const resolveEach = async (
  db: Queryable,
  instance: string,
  duts: readonly (readonly Serial[])[],
): Promise<(number | null)[]> => {
  const all = duts.flat();
  const wanted = new Set(all.map(keyOf)).size;
  let known = [...(await findDevices(db, instance, all))];
  // The common case: everything was seen before, and nothing is locked.
  if (wanted > new Set(known.map(keyOf)).size) {
    await lockSerials(db, instance);
    known = [...(await findDevices(db, instance, all))];
  }
  const owners = new Map(known.map((row) => [keyOf(row), row.deviceId]));
  const ids: (number | null)[] = [];
  for (const serials of duts) ids.push(await resolve(db, instance, serials, owners));
  return ids;
};

/** @param owners of serials, so far; those that are new come to it. Two devices of one bot may name the same serial: they are one DUT. */
const resolve = async (
  db: Queryable,
  instance: string,
  serials: readonly Serial[],
  owners: Map<string, number>,
): Promise<number | null> => {
  if (serials.length === 0) return null;
  const found = [...new Set(serials.toSorted(byName).flatMap((serial) => owners.get(keyOf(serial)) ?? []))];
  const id = found[0] ?? (await insertDevice(db, instance));
  if (found.length > 1) await holdDevices(db, found, conflictWords(serials, found));
  const isNew = serials.filter((serial) => !owners.has(keyOf(serial)));
  if (isNew.length > 0) await addSerials(db, { id, instance }, isNew);
  for (const serial of isNew) owners.set(keyOf(serial), id);
  return id;
};

/** The DUTs of one bot, each once; see `resolveEach`. */
export const resolveDevices = async (
  db: Queryable,
  instance: string,
  duts: readonly (readonly Serial[])[],
): Promise<number[]> => distinct(await resolveEach(db, instance, duts));

export const distinct = (ids: readonly (number | null)[]): number[] => [...new Set(ids.flatMap((id) => id ?? []))];

const byName = (a: Serial, b: Serial): number => {
  const [one, other] = [keyOf(a), keyOf(b)];
  return one < other ? -1 : one > other ? 1 : 0;
};

const keyOf = ({ name, value }: Serial): string => JSON.stringify([name, value]);

const conflictWords = (serials: readonly Serial[], owners: readonly number[]): string =>
  `serials ${serials.map(({ name, value }) => `${name}=${value}`).join(', ')} were declared for one DUT ` +
  `but belong to devices ${owners.join(' and ')}; find out which is right, then release the devices`;
