/** What the shopfloor answers to a valid call. */
import { z } from 'zod';
import type { XmlRpcStruct, XmlRpcValue } from '../wire/xml-rpc.ts';
import { serialsOf, SHOPFLOOR_METHODS, type ShopfloorCall } from './shopfloor-method.ts';

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const deviceData = z.record(z.string(), scalar);

/** Every member has a default: the sample service's answers, and a serial number given at FAT. */
export const repliesSchema = z.strictObject({
  /** What GetVersion says. */
  version: z.string().default('1.0'),
  /** DeviceData by method, sent for every unit; may hold what a partner's would, `action` or a wrong key included. */
  deviceData: z
    .partialRecord(z.enum(SHOPFLOOR_METHODS), deviceData)
    .default({ GetDeviceInfo: { 'vpd.ro.region': 'us', 'vpd.rw.ubind_attribute': '', 'vpd.rw.gbind_attribute': '' } }),
  /** DeviceData by station, added to the answer of its NotifyStart. */
  atStart: z.record(z.string(), deviceData).default({}),
  /**
   * The station whose NotifyStart gives a unit that has none its `serials.serial_number`, made from the main board's.
   * Null: none does.
   */
  assignSerialAt: z.string().nullable().default('FAT'),
});

export type Replies = z.output<typeof repliesSchema>;
export type RepliesInput = z.input<typeof repliesSchema>;

/** Made from the call alone, so that a repeated call is answered as it was the first time. */
export function replyTo(call: ShopfloorCall, replies: Replies): XmlRpcValue {
  if (call.method === 'GetVersion') return replies.version;
  const always: XmlRpcStruct = replies.deviceData[call.method] ?? {};
  if (call.method !== 'NotifyStart') return always;
  const here: XmlRpcStruct = replies.atStart[call.station ?? ''] ?? {};
  return { ...always, ...here, ...assignedSerial(call, replies.assignSerialAt) };
}

/** The serials that a reply gives to the unit. */
export function assignedSerial(call: ShopfloorCall, assignSerialAt: string | null): Readonly<Record<string, string>> {
  if (call.method !== 'NotifyStart' || call.station !== assignSerialAt || call.deviceData === null) return {};
  const { mlb_serial_number: board, serial_number: serial } = serialsOf(call.deviceData);
  return board === undefined || serial !== undefined ? {} : { 'serials.serial_number': `SN-${board}` };
}
