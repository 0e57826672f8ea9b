/** stationgrid.v1.Fleet: what SREs and line operators call. */
import { drainBots } from '../../farm/drain-bots.ts';
import type { Farm } from '../../farm/farm.ts';
import { getBot } from '../../farm/get-bot.ts';
import { getDevice, getDeviceById } from '../../farm/get-device.ts';
import { listBots } from '../../farm/list-bots.ts';
import { quarantineBot } from '../../farm/quarantine-bot.ts';
import { releaseBot } from '../../farm/release-bot.ts';
import { releaseDevice } from '../../farm/release-device.ts';
import { undrainBots } from '../../farm/undrain-bots.ts';
import type { FleetService } from '../../gen/stationgrid/v1/fleet.ts';
import type { HandlersOf } from './endpoints.ts';
import { botMessageOf, deviceMessageOf, drainMessageOf } from './convert-fleet.ts';
import { idOf, textOrNull } from './convert-ids.ts';
import { msOf } from './convert-time.ts';

export const createFleet = (farm: Farm): HandlersOf<FleetService> => ({
  listBots: async ({ pattern, ...asked }) => {
    const { bots, nextPageToken } = await listBots(farm, { ...asked, pattern: textOrNull(pattern) });
    return { bots: bots.map(botMessageOf), nextPageToken };
  },
  getBot: async (bot) => botMessageOf(await getBot(farm, bot)),
  drainBots: async ({ instance, pattern, note, expiresIn }) =>
    drainMessageOf(await drainBots(farm, { instance, pattern, note, expiresInMs: msOf(expiresIn) })),
  undrainBots: async (drain) => {
    await undrainBots(farm, drain);
    return {};
  },
  quarantineBot: async (bot) => botMessageOf(await quarantineBot(farm, bot)),
  releaseBot: async (bot) => botMessageOf(await releaseBot(farm, bot)),
  getDevice: async ({ instance, name, value }) =>
    deviceMessageOf(await getDevice(farm, { instance, name: textOrNull(name), value })),
  releaseDevice: async ({ instance, id, reason }) => {
    const device = { instance, id: idOf('device', id) };
    await releaseDevice(farm, { ...device, reason });
    return deviceMessageOf(await getDeviceById(farm, device));
  },
});
