/** /api/v1/instances/{instance}/bots, /drains and /devices */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { BotView } from '../../farm/bot-view.ts';
import { drainBots } from '../../farm/drain-bots.ts';
import type { Farm } from '../../farm/farm.ts';
import { getBot } from '../../farm/get-bot.ts';
import { getDevice, getDeviceById } from '../../farm/get-device.ts';
import { listBots } from '../../farm/list-bots.ts';
import { listDrains } from '../../farm/list-drains.ts';
import { quarantineBot } from '../../farm/quarantine-bot.ts';
import { releaseBot } from '../../farm/release-bot.ts';
import { releaseDevice } from '../../farm/release-device.ts';
import { undrainBots } from '../../farm/undrain-bots.ts';
import { asks, numbered, textIn } from './admit-requests.ts';
import { duration } from './durations.ts';
import { json, made, nothing } from './shape.ts';
import { bot, botPage, device, drain as drainShape, drains } from './shapes/fleet.ts';
import { flag, idOf, instanceOf, pageQuery, readBody, readQuery, reasonBody } from './read.ts';

const botsQuery = z.strictObject({ pattern: z.string().nullable().default(null), connected: flag, ...pageQuery });

type BotParams = { readonly instance: string; readonly botId: string };
type DeviceParams = { readonly instance: string; readonly id: string };
type DrainParams = { readonly instance: string; readonly pattern: string };

export const addFleet = (app: FastifyInstance, farm: Farm): void => {
  addBots(app, farm);
  addDrains(app, farm);
  addDevices(app, farm);
};

const named = ({ botId = '' }: Readonly<Record<string, string>>): string => `bot ${botId}`;

const nameOf = (params: BotParams) => ({ instance: instanceOf(params), botId: params.botId });

const addBots = (app: FastifyInstance, farm: Farm): void => {
  app.get<{ Params: BotParams }>(
    '/bots',
    asks('list-bots', { says: 'Lists bots, by id.', query: botsQuery, gives: json(botPage) }),
    async ({ params, query }) => {
      const { connected: connectedOnly, ...asked } = readQuery(botsQuery, query);
      const { bots, nextPageToken } = await listBots(farm, { instance: instanceOf(params), connectedOnly, ...asked });
      return { bots: bots.map(botJson), nextPageToken };
    },
  );
  app.get<{ Params: BotParams }>(
    '/bots/:botId',
    asks('get-bot', { says: 'Shows a bot, with the events it posted lately.', gives: json(bot) }, named),
    async ({ params }) => botJson(await getBot(farm, nameOf(params))),
  );
  app.post<{ Params: BotParams }>(
    '/bots/:botId/quarantine',
    asks(
      'quarantine-bot',
      { says: 'Keeps a bot from work until it is released.', body: reasonBody, gives: json(bot) },
      named,
    ),
    async ({ params, body }) =>
      botJson(await quarantineBot(farm, { ...nameOf(params), ...readBody(reasonBody, body) })),
  );
  app.post<{ Params: BotParams }>(
    '/bots/:botId/release',
    asks('release-bot', { says: 'Ends the quarantine of a bot.', body: reasonBody, gives: json(bot) }, named),
    async ({ params, body }) => botJson(await releaseBot(farm, { ...nameOf(params), ...readBody(reasonBody, body) })),
  );
};

/** PostBotEventTempRequest.Type, as far as it is named. */
const eventTypes: readonly string[] = ['UNSPECIFIED', 'INFO', 'ERROR'];

const botJson = ({ events, properties, ...bot }: BotView) => ({
  ...bot,
  properties: Object.fromEntries(properties.map(({ key, values }) => [key, values])),
  ...(events === null
    ? {}
    : { events: events.map(({ type, ...event }) => ({ type: eventTypes[type] ?? `TYPE_${type}`, ...event })) }),
});

const drainBody = z.strictObject({
  pattern: z.string(),
  note: z.string().default(''),
  expiresIn: duration().nullable().default(null),
});

const addDrains = (app: FastifyInstance, farm: Farm): void => {
  app.get<{ Params: DrainParams }>(
    '/drains',
    asks('list-drains', { says: 'Lists the drains in force.', gives: json(drains) }),
    async ({ params }) => ({
      drains: await listDrains(farm, instanceOf(params)),
    }),
  );
  const inBody = (_params: unknown, body: unknown): string => `bots ${textIn(body, 'pattern')}`;
  app.post<{ Params: DrainParams }>(
    '/drains',
    asks(
      'drain-bots',
      { says: 'Keeps bots, by a pattern of their ids, from new work.', body: drainBody, gives: made(drainShape) },
      inBody,
    ),
    async ({ params, body }, reply) => {
      const { pattern, note, expiresIn: expiresInMs } = readBody(drainBody, body);
      const drain = await drainBots(farm, { instance: instanceOf(params), pattern, note, expiresInMs });
      return reply.status(201).send(drain);
    },
  );
  const inPath = ({ pattern = '' }: Readonly<Record<string, string>>): string => `bots ${pattern}`;
  app.delete<{ Params: DrainParams }>(
    '/drains/:pattern',
    asks('undrain-bots', { says: 'Ends a drain.', gives: nothing }, inPath),
    async ({ params }, reply) => {
      await undrainBots(farm, { instance: instanceOf(params), pattern: params.pattern });
      return reply.status(204).send();
    },
  );
};

const deviceQuery = z.strictObject({ serial: z.string(), name: z.string().nullable().default(null) });

const addDevices = (app: FastifyInstance, farm: Farm): void => {
  const nameOfDevice = (params: DeviceParams) => ({ instance: instanceOf(params), id: idOf('device', params.id) });
  app.get<{ Params: DeviceParams }>(
    '/devices',
    asks('get-device', { says: 'Finds a DUT by a serial.', query: deviceQuery, gives: json(device) }),
    ({ params, query }) => {
      const { serial: value, name } = readQuery(deviceQuery, query);
      return getDevice(farm, { instance: instanceOf(params), name, value });
    },
  );
  app.get<{ Params: DeviceParams }>(
    '/devices/:id',
    asks(
      'get-device',
      { says: 'Shows a DUT by its number.', name: 'getDeviceById', gives: json(device) },
      numbered('device'),
    ),
    ({ params }) => getDeviceById(farm, nameOfDevice(params)),
  );
  app.post<{ Params: DeviceParams }>(
    '/devices/:id/release',
    asks(
      'release-device',
      { says: 'Ends the hold or the settling of a DUT.', body: reasonBody, gives: json(device) },
      numbered('device'),
    ),
    async ({ params, body }) => {
      await releaseDevice(farm, { ...nameOfDevice(params), ...readBody(reasonBody, body) });
      return getDeviceById(farm, nameOfDevice(params));
    },
  );
};
