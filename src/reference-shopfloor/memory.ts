/** What the shopfloor knows from the calls it applied, and after a restart knows again from its journal. */
import type { DeviceBook } from './device-book.ts';
import { createDeviceBook } from './device-book.ts';
import type { JournalEntry } from './journal.ts';

/** Older keys are forgotten; a partner's service would not remember for ever either. */
const KEYS_MAX = 1_000_000;

export interface Memory {
  readonly devices: Pick<DeviceBook, 'find' | 'stationOf'>;
  /** The hash of the body that the key was applied with; null for a new key, or for no key. */
  appliedAs(key: string | null): string | null;
  /** Takes up an applied call. */
  add(entry: JournalEntry): void;
}

/** @param options.remembersKeys false: every key is new, each time. */
export function createMemory(options: { readonly remembersKeys: boolean }): Memory {
  const devices = createDeviceBook();
  const appliedKeys = new Map<string, string>();

  return {
    devices,
    appliedAs: (key) => (key === null ? null : (appliedKeys.get(key) ?? null)),
    add({ key, bodySha256, serials, method, station }) {
      const device = devices.note(serials);
      if (device !== null && method === 'NotifyStart' && station !== null) devices.setStation(device, station);
      if (key === null || !options.remembersKeys) return;
      appliedKeys.set(key, bodySha256);
      const [oldest] = appliedKeys.keys();
      if (appliedKeys.size > KEYS_MAX && oldest !== undefined) appliedKeys.delete(oldest);
    },
  };
}
