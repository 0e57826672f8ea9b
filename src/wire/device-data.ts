/**
 * The two flat structs of the Shopfloor Service: FactoryDeviceData, which a device sends, and DeviceData, which it is
 * sent back. Keys are dotted; both are read one key at a time, so that one bad key never costs the others.
 */
import type { XmlRpcStruct, XmlRpcValue } from './xml-rpc.ts';
import { isXmlRpcArray, isXmlRpcStruct } from './xml-rpc.ts';

export type DeviceScalar = string | number | boolean | null;

/** `serials.*`, `factory.*`, `hwid`, and the bare `serial_number` of the client that runs after the wipe. */
export type FactoryDeviceData = Readonly<Record<string, DeviceScalar>>;

/** `serials.*`, `factory.*`, `hwid`, `vpd.{ro,rw}.*`, `component.*`, `feature_management.*`. Null deletes the key. */
export type DeviceData = Readonly<Record<string, XmlRpcValue>>;

export interface DroppedKey {
  readonly key: string;
  readonly why: string;
}

/** What a shopfloor's answer comes to once the keys a device would choke on are out of it. */
export interface ReadDeviceData {
  readonly kept: DeviceData;
  readonly dropped: readonly DroppedKey[];
  /** What the reply to UpdateTestResult asks for. Never sent on to a device: the stock one rejects the key. */
  readonly action: string | null;
}

export interface ReadFactoryDeviceData {
  readonly kept: FactoryDeviceData;
  readonly dropped: readonly DroppedKey[];
}

/** Says what is wrong with a value, or null. */
type Check = (value: XmlRpcValue) => string | null;

interface KeyRule {
  readonly key: RegExp;
  readonly check: Check;
}

const SERIALS: KeyRule = { key: /^serials\.[_a-zA-Z0-9]+$/, check: textOrNil };
const FACTORY: KeyRule = { key: /^factory\../, check: scalar };
const HWID: KeyRule = { key: /^hwid$/, check: textOrNil };

/** The first rule whose pattern fits decides. */
const DEVICE_DATA_RULES: readonly KeyRule[] = [
  SERIALS,
  FACTORY,
  HWID,
  { key: /^vpd\.(?:ro|rw)\.[^.]+$/, check: textOrNil },
  // The device counts or looks for these, and stops at anything else.
  { key: /^component\.has_/, check: countOrNil },
  { key: /^component\../, check: noBinary },
  { key: /^feature_management\../, check: noBinary },
];

const FACTORY_DEVICE_DATA_RULES: readonly KeyRule[] = [
  SERIALS,
  FACTORY,
  HWID,
  { key: /^serial_number$/, check: textOrNil },
];

/**
 * Reads what a shopfloor returned (S-BR-4).
 *
 * @param knownKeys what the device has: deleting a key it lacks is an error there, so that deletion is dropped. Null
 * keeps every deletion.
 */
export function toDeviceData(value: XmlRpcStruct, knownKeys: ReadonlySet<string> | null = null): ReadDeviceData {
  const { action = null, ...rest } = value;
  const { kept, dropped } = sift(rest, DEVICE_DATA_RULES, (key, member) =>
    member === null && knownKeys?.has(key) === false ? 'deletes a key that the device does not have' : null,
  );
  if (action === null || typeof action === 'string') return { kept, dropped, action };
  return { kept, dropped: [...dropped, { key: 'action', why: 'is not a string' }], action: null };
}

/**
 * Reads what a device, or a device record, says of itself: only the keys that may travel to a shopfloor are kept. VPD
 * values are not among them, for registration codes live there (S-PRIV-1).
 */
export function toFactoryDeviceData(value: XmlRpcStruct): ReadFactoryDeviceData {
  const { kept, dropped } = sift(value, FACTORY_DEVICE_DATA_RULES, (_key, member) => scalar(member));
  return { kept: kept as FactoryDeviceData, dropped };
}

function sift(
  value: XmlRpcStruct,
  rules: readonly KeyRule[],
  checkMore: (key: string, value: XmlRpcValue) => string | null,
): { kept: Record<string, XmlRpcValue>; dropped: DroppedKey[] } {
  const kept: [string, XmlRpcValue][] = [];
  const dropped: DroppedKey[] = [];
  for (const [key, member] of Object.entries(value)) {
    const rule = rules.find(({ key: pattern }) => pattern.test(key));
    const why = rule === undefined ? 'is no key of this struct' : (rule.check(member) ?? checkMore(key, member));
    if (why === null) kept.push([key, member]);
    else dropped.push({ key, why });
  }
  return { kept: Object.fromEntries(kept), dropped };
}

function textOrNil(value: XmlRpcValue): string | null {
  return value === null || typeof value === 'string' ? null : 'is not a string';
}

function scalar(value: XmlRpcValue): string | null {
  return value === null || typeof value !== 'object' ? null : 'is not a scalar';
}

function countOrNil(value: XmlRpcValue): string | null {
  if (value === null || typeof value === 'boolean' || Number.isInteger(value)) return null;
  return 'is neither a boolean nor a whole number';
}

/** JSON, in which device records are kept, has no binary. */
function noBinary(value: XmlRpcValue): string | null {
  if (value instanceof Uint8Array) return 'holds binary';
  if (value === null || typeof value !== 'object') return null;
  const members = isXmlRpcArray(value) ? value : isXmlRpcStruct(value) ? Object.values(value) : [];
  return members.some((member) => noBinary(member) !== null) ? 'holds binary' : null;
}
