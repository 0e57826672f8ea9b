/** `stationgrid devices …`. */
import { Device, FleetService, GetDeviceRequest, ReleaseDeviceRequest } from '../gen/stationgrid/v1/fleet.ts';
import { type FarmOptions, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { localTime, printFacts, printJson, printTable, serialsCell } from './print.ts';
import type { Terminal } from './terminal.ts';

export type GetDeviceOptions = FarmOptions & { readonly name: string };

export const getDevice = (terminal: Terminal, value: string, options: GetDeviceOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, name } = options;
    const device = await farm.ask(FleetService.getDevice, GetDeviceRequest.create({ instance, name, value }));
    showDevice(terminal, device, options);
    return EXIT.ok;
  });

export type ReleaseDeviceOptions = FarmOptions & { readonly reason: string };

export const releaseDevice = (terminal: Terminal, id: bigint, options: ReleaseDeviceOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, reason } = options;
    const device = await farm.ask(FleetService.releaseDevice, ReleaseDeviceRequest.create({ instance, id, reason }));
    showDevice(terminal, device, options);
    return EXIT.ok;
  });

const showDevice = (terminal: Terminal, device: Device, { output }: FarmOptions): void => {
  if (output === 'json') {
    printJson(terminal, Device.toJSON(device));
    return;
  }
  const { settlingReason, settlingUntil } = device;
  printFacts(terminal, [
    ['Device', device.id],
    ['Instance', device.instance],
    ['Serials', serialsCell(device.serials)],
    ['Held', device.heldReason],
    ['Settling', settlingReason === '' ? '' : `${settlingReason}, until ${localTime(settlingUntil)}`],
  ]);
  const record = Object.entries(device.data ?? {});
  if (record.length === 0) return;
  terminal.print('');
  printTable(
    terminal,
    ['KEY', 'VALUE'],
    record.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
};
