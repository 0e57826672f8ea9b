/** Reads the record of a DUT by any of its serials. */
import { bareKey } from '../core/match.ts';
import { invalid, Refusal } from '../core/refusal.ts';
import { checkName, checkText } from '../core/text.ts';
import { type DeviceView, readDeviceView, readDeviceViews } from '../store/device-views.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';

export type { DeviceView };

export type DeviceAsked = {
  readonly instance: string;
  /** Such as `serials.serial_number`; null: under any name. */
  readonly name: string | null;
  readonly value: string;
};

/** @throws Refusal NOT_FOUND; INVALID, also when the value alone names more than one DUT. */
export const getDevice = async (farm: Farm, { instance, name, value }: DeviceAsked): Promise<DeviceView> => {
  lineFor(farm, instance);
  checkName('The serial', value, farm.limits.text.nameBytesMax);
  if (name !== null) checkText("The serial's name", name, farm.limits.text.nameBytesMax);
  const found = await readDeviceViews(farm.pool, instance, { name: name === null ? null : bareKey(name), value });
  const [device, other] = found;
  const serial = `${name ?? 'serial'} '${value}'`;
  if (device === undefined) {
    throw new Refusal(
      'NOT_FOUND',
      'NO_SUCH_DEVICE',
      `No DUT of instance '${instance}' has ${serial}. It gets its record when a bot declares it or a job is pinned to it.`,
    );
  }
  if (other !== undefined) {
    throw invalid(
      'SERIAL_OF_TWO_DUTS',
      `${serial} is a serial of DUT ${device.id} and, under another name, of DUT ${other.id}. Give the serial's name too.`,
    );
  }
  return device;
};

/** By the farm's own number. @throws Refusal NOT_FOUND; INVALID for an unknown instance. */
export const getDeviceById = async (
  farm: Farm,
  device: { readonly instance: string; readonly id: number },
): Promise<DeviceView> => {
  lineFor(farm, device.instance);
  const view = await readDeviceView(farm.pool, device);
  if (view !== null) return view;
  const words = `There is no device ${device.id} in instance '${device.instance}'. Look it up by its serial.`;
  throw new Refusal('NOT_FOUND', 'NO_SUCH_DEVICE', words);
};
