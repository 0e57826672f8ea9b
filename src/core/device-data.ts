/** What a shopfloor says of a unit, merged into what the farm knows of it (reference: DeviceData). */
import { bytesOf } from './text.ts';

export type DeviceRecordData = Readonly<Record<string, unknown>>;
export type NamedSerial = { readonly name: string; readonly value: string };
export type DroppedKey = { readonly key: string; readonly why: string };

export type RecordLimits = {
  readonly serialsMax: number;
  /** Of the value of one serial. */
  readonly serialBytesMax: number;
  /** Of its name. */
  readonly serialNameBytesMax: number;
  readonly componentsMax: number;
  readonly recordBytesMax: number;
};

export type MergedRecord = {
  /** Without the serials. */
  readonly data: DeviceRecordData;
  /** Serials that are new to the unit, as aliases to be added. */
  readonly serials: readonly NamedSerial[];
  /** What was left out, and why. */
  readonly dropped: readonly DroppedKey[];
  readonly changed: boolean;
};

const SERIAL_PREFIX = 'serials.';

/** Registration codes are never kept beside a serial number (S-PRIV-1); nor is the secret of the unit. */
const NEVER_KEPT: ReadonlySet<string> = new Set([
  'ubind_attribute',
  'gbind_attribute',
  'stable_device_secret_DO_NOT_SHARE',
]);

/**
 * Takes a reply's keys one by one, so that one bad key never costs the others: nil deletes, a serial becomes an alias,
 * anything else is set. A key or a record that grows past its limit is left out. The keys and types that DeviceData
 * allows were judged where the reply was read.
 * @param record.serials by name, names with their prefix `serials.`: the newest value of each.
 * @param record.serialCount former values of a name counted in: a unit keeps them all.
 */
export const mergeDeviceData = (
  record: {
    readonly data: DeviceRecordData;
    readonly serials: Readonly<Record<string, string>>;
    readonly serialCount: number;
  },
  reply: Readonly<Record<string, unknown>>,
  limits: RecordLimits,
): MergedRecord => {
  const data = new Map(Object.entries(record.data));
  const serials: NamedSerial[] = [];
  const dropped: DroppedKey[] = [];
  let changed = false;
  let bytes = jsonBytesOf(record.data);
  for (const [key, value] of Object.entries(reply)) {
    const why = key.startsWith(SERIAL_PREFIX)
      ? takeSerial(record, serials, key, value, limits)
      : refuseKey(data, key, value, limits, bytes);
    if (why !== null) dropped.push({ key, why });
    else if (key.startsWith(SERIAL_PREFIX) || same(data.get(key), value)) continue;
    else {
      bytes += weight(key, value) - (data.has(key) ? weight(key, data.get(key)) : 0);
      if (value === null) data.delete(key);
      else data.set(key, value);
      changed = true;
    }
  }
  // `fromEntries` defines its members, so that one named `__proto__` stays a member.
  return { data: Object.fromEntries(data), serials, dropped, changed };
};

/** Why the serial is not taken; null when it is, or is known already. */
const takeSerial = (
  known: { readonly serials: Readonly<Record<string, string>>; readonly serialCount: number },
  taken: NamedSerial[],
  name: string,
  value: unknown,
  { serialsMax, serialBytesMax, serialNameBytesMax }: RecordLimits,
): string | null => {
  if (known.serials[name] === value) return null;
  if (value === null) return 'would delete a serial; a unit keeps every name it was known by';
  if (typeof value !== 'string' || value === '') return 'is an empty serial';
  if (bytesOf(value) > serialBytesMax) return `is longer than ${serialBytesMax} bytes`;
  if (bytesOf(name) > serialNameBytesMax) return `has a name of more than ${serialNameBytesMax} bytes`;
  if (known.serialCount + taken.length >= serialsMax) return `is more than ${serialsMax} serials`;
  taken.push({ name, value });
  return null;
};

const refuseKey = (
  data: ReadonlyMap<string, unknown>,
  key: string,
  value: unknown,
  limits: RecordLimits,
  bytes: number,
): string | null => {
  if (NEVER_KEPT.has(key.slice(key.lastIndexOf('.') + 1))) return 'is a registration code, which is never kept';
  // Deleting what the unit does not have is an error on a DUT, so it is not handed on.
  if (value === null) return data.has(key) ? null : 'deletes a key that the unit does not have';
  if (!data.has(key) && data.size >= limits.componentsMax) return `is more than ${limits.componentsMax} keys`;
  if (bytes + weight(key, value) > limits.recordBytesMax)
    return `makes the record larger than ${limits.recordBytesMax} bytes`;
  return null;
};

/** A member's share of the record as JSON. */
const weight = (key: string, value: unknown): number => jsonBytesOf({ [key]: value });

const jsonBytesOf = (value: unknown): number => bytesOf(JSON.stringify(value));

/** Set, replaced or deleted between two records, in the order of the alphabet. */
export const changedKeys = (before: DeviceRecordData, after: DeviceRecordData): readonly string[] => {
  const was = new Map(Object.entries(before));
  const is = new Map(Object.entries(after));
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((key) => was.has(key) !== is.has(key) || !same(was.get(key), is.get(key)))
    .sort();
};

/** Values are JSON; equal ones of one shape have equal text. */
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** FactoryDeviceData and more: everything known of a unit, its serials among it, under dotted keys. */
export const dottedRecord = (record: {
  readonly data: DeviceRecordData;
  readonly serials: Readonly<Record<string, string>>;
}): DeviceRecordData => ({ ...record.data, ...record.serials });
