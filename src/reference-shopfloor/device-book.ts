/** Which serials belong to one device, and where it stands: what a shopfloor remembers of a unit. */

/** The names a device is preferably known by, best first: the main board is there from the first station on. */
const KEY_SERIALS = ['mlb_serial_number', 'serial_number'] as const;

export interface DeviceBook {
  /** The device's key: the first serial it was known by. Serials without a name here belong to it from now on. */
  note(serials: Readonly<Record<string, string>>): string | null;
  /** The same without noting anything; null for no serials at all. */
  find(serials: Readonly<Record<string, string>>): string | null;
  setStation(device: string, station: string): void;
  /** The station that the device started last; null before the first. */
  stationOf(device: string): string | null;
}

export function createDeviceBook(): DeviceBook {
  const devices = new Map<string, string>();
  const stations = new Map<string, string>();

  function find(serials: Readonly<Record<string, string>>): string | null {
    const aliases = aliasesOf(serials);
    const known = aliases.map(({ alias }) => devices.get(alias)).find((device) => device !== undefined);
    return known ?? aliases[0]?.value ?? null;
  }

  return {
    find,
    note(serials) {
      const device = find(serials);
      if (device === null) return null;
      for (const { alias } of aliasesOf(serials)) {
        // A serial that already is another device's stays there; what a call says cannot move it.
        if (!devices.has(alias)) devices.set(alias, device);
      }
      return device;
    },
    setStation(device, station) {
      stations.set(device, station);
    },
    stationOf: (device) => stations.get(device) ?? null,
  };
}

function aliasesOf(serials: Readonly<Record<string, string>>): readonly { alias: string; value: string }[] {
  const rank = (name: string): number => {
    const index = KEY_SERIALS.findIndex((key) => key === name);
    return index < 0 ? KEY_SERIALS.length : index;
  };
  return Object.entries(serials)
    .sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1))
    .map(([name, value]) => ({ alias: `${name}=${value}`, value }));
}
