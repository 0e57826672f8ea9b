import type { Worker } from '../src/gen/google/devtools/remoteworkers/v1test2/worker.ts';

type Values = string | readonly string[];

/** One DUT, or another device attached to the bot's host. */
export type DeviceDeclaration = {
  /** Unique within the bot. */
  readonly handle: string;
  readonly properties?: Readonly<Record<string, Values>>;
  /** The DUT's serials by name, with or without `serials.` before it: `mlb_serial_number`. */
  readonly serials?: Readonly<Record<string, string>>;
};

const SERIALS = 'serials.';

/** The worker as the farm's matching reads it. The first device is the primary one; null capacity is not declared: 1. */
export function describeWorker(devices: readonly DeviceDeclaration[], capacity: number | null): Worker {
  return {
    devices: devices.map(({ handle, properties = {}, serials = {} }) => ({
      handle,
      properties: [
        ...Object.entries(properties).flatMap(([key, values]) => [values].flat().map((value) => ({ key, value }))),
        ...Object.entries(serials).map(([name, value]) => ({
          key: name.startsWith(SERIALS) ? name : SERIALS + name,
          value,
        })),
      ],
    })),
    properties: [],
    configs: capacity === null ? [] : [{ key: 'capacity', value: String(capacity) }],
    metadata: [],
  };
}
