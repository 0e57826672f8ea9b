/** What a shopfloor said of units, merged into their records. Part of the transaction that records the answers. */
import { changedKeys, mergeDeviceData as mergeRecord, type DroppedKey, type NamedSerial } from '../core/device-data.ts';
import { farmEvent } from '../core/farm-event.ts';
import { storableText } from '../core/text.ts';
import { holdEachDevice, lockDevices, writeDeviceData } from '../store/device-records.ts';
import { addSerials, type DeviceRecord, findDevices, lockSerials, readDeviceRecords } from '../store/devices.ts';
import type { Queryable } from '../store/transaction.ts';
import type { FarmSeams } from './farm.ts';
import type { Ledger } from './ledger.ts';

/** What came with one answer. Several for one unit are merged in the order given. */
export type DeviceReply = {
  readonly instance: string;
  readonly deviceId: number;
  readonly jobId: number | null;
  readonly deviceData: Readonly<Record<string, unknown>>;
};

const SERIAL_PREFIX = 'serials.';

/**
 * Locks, before the lanes are, what merging these replies may touch: the units, and those that have a serial which a
 * reply gives to another. New serials are registered one instance at a time.
 * @param alsoIds devices to be locked for another reason.
 */
export const lockForMerge = async (
  db: Queryable,
  replies: readonly DeviceReply[],
  alsoIds: readonly number[],
): Promise<void> => {
  const deviceIds = new Set(alsoIds);
  const instances = [...new Set(replies.map(({ instance }) => instance))].sort();
  for (const instance of instances) {
    const theirs = replies.filter((reply) => reply.instance === instance);
    const named = theirs.flatMap(serialsOf);
    const known = await findDevices(db, instance, named);
    if (known.length < named.length) await lockSerials(db, instance);
    for (const { deviceId } of [...theirs, ...known]) deviceIds.add(deviceId);
  }
  await lockDevices(db, [...deviceIds]);
};

const serialsOf = ({ deviceData }: DeviceReply): NamedSerial[] =>
  Object.entries(deviceData).flatMap(([name, value]) =>
    name.startsWith(SERIAL_PREFIX) && typeof value === 'string' ? [{ name, value }] : [],
  );

/** Merges in memory and writes the records. The keys that were left out come back, a list for each reply. */
export const mergeDeviceData = async (
  farm: Pick<FarmSeams, 'limits' | 'log'>,
  db: Queryable,
  ledger: Ledger,
  replies: readonly DeviceReply[],
): Promise<readonly (readonly DroppedKey[])[]> => {
  const records = new Map(
    await readDeviceRecords(
      db,
      replies.map(({ deviceId }) => deviceId),
    ),
  );
  const { nameBytesMax } = farm.limits.text;
  const limits = { ...farm.limits.devices, serialBytesMax: nameBytesMax, serialNameBytesMax: nameBytesMax };
  const changed = new Map<number, DeviceRecord>();
  const dropped: (readonly DroppedKey[])[] = [];
  for (const reply of replies) {
    const record = records.get(reply.deviceId);
    if (record === undefined) throw new Error(`a lane of device ${String(reply.deviceId)}, which has no record`);
    const merged = mergeRecord(record, reply.deviceData, limits);
    const added = await addAliases(db, ledger, reply, merged.serials);
    const serialCount = record.serialCount + Object.keys(added).length;
    const next = { ...record, data: merged.data, serials: { ...record.serials, ...added }, serialCount };
    records.set(reply.deviceId, next);
    if (merged.changed) changed.set(reply.deviceId, next);
    tellChange(ledger, reply, [...changedKeys(record.data, merged.data), ...Object.keys(added)]);
    dropped.push(merged.dropped);
  }
  await writeDeviceData(
    db,
    [...changed.values()].map(({ id, data }) => ({ id, data })),
  );
  return dropped;
};

/** Keys that one event names, and how much of each; a reply may hold thousands. */
const KEYS_TOLD_MAX = 20;
const KEY_BYTES_MAX = 100;

/** By its keys only: what they hold now is in the record, and what they held is nobody's any more. */
const tellChange = (ledger: Ledger, { instance, jobId, deviceId }: DeviceReply, keys: readonly string[]): void => {
  if (keys.length === 0) return;
  const named = keys.slice(0, KEYS_TOLD_MAX).map((key) => storableText(key, KEY_BYTES_MAX));
  const more = keys.length - named.length;
  const facts = { keys: named.join(', ') + (more > 0 ? `, and ${String(more)} more` : '') };
  ledger.events.push(farmEvent('DEVICE_CHANGED', instance, { jobId, deviceId, facts }));
};

/** The serials that are now the unit's. One that another unit has holds both: only a person can say which is right. */
const addAliases = async (
  db: Queryable,
  ledger: Ledger,
  reply: DeviceReply,
  serials: readonly NamedSerial[],
): Promise<Readonly<Record<string, string>>> => {
  if (serials.length === 0) return {};
  const { instance, deviceId } = reply;
  const added = await addSerials(db, { id: deviceId, instance }, serials);
  const taken = serials.filter(({ name }) => !added.some((serial) => serial.name === name));
  for (const { name, value, deviceId: otherId } of await findDevices(db, instance, taken)) {
    const reason =
      `the shopfloor gave ${name}=${value} to device ${String(deviceId)}, but it belongs to device ${String(otherId)}; ` +
      'find out which is right, then release both';
    await holdWithEvent(db, ledger, reply, [otherId, deviceId], reason);
  }
  return Object.fromEntries(added.map(({ name, value }) => [name, value]));
};

/** Holds devices, with an event for each that was not held before. */
export const holdWithEvent = async (
  db: Queryable,
  ledger: Ledger,
  about: { readonly instance: string; readonly jobId: number | null },
  deviceIds: readonly number[],
  reason: string,
): Promise<void> => {
  const held = await holdEachDevice(
    db,
    deviceIds.map((id) => ({ id, reason })),
  );
  for (const deviceId of held) {
    ledger.events.push(farmEvent('DEVICE_HELD', about.instance, { jobId: about.jobId, deviceId, facts: { reason } }));
  }
};
