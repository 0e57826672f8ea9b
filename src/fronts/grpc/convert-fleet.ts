/** Bots, drains and DUTs as the wire shows them. */
import type { BotView } from '../../farm/bot-view.ts';
import type { DrainView } from '../../farm/drain-bots.ts';
import type { DeviceView } from '../../farm/get-device.ts';
import { PostBotEventTempRequest_Type } from '../../gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { Bot, BotEvent, Device, Drain } from '../../gen/stationgrid/v1/fleet.ts';
import { timestampOf, timestampOrUnset } from './convert-time.ts';

export const botMessageOf = (bot: BotView): Bot => ({
  instance: bot.instance,
  botId: bot.botId,
  connected: bot.connected,
  status: bot.status,
  version: bot.version,
  capacity: bot.capacity,
  properties: bot.properties,
  serials: bot.serials,
  leases: bot.leases.map(({ jobId, ...lease }) => ({ ...lease, jobId: BigInt(jobId) })),
  session: bot.session ?? '',
  sessionStartTime: timestampOrUnset(bot.sessionStartedAt),
  lastSeenTime: timestampOrUnset(bot.lastSeenAt),
  drain: bot.drain === null ? undefined : drainMessageOf(bot.drain),
  quarantineReason: bot.quarantineReason ?? '',
  errorEvents: bot.errorEvents,
  whyNoWork: bot.whyNoWork ?? '',
  events: (bot.events ?? []).map(eventMessageOf),
});

const typeNames: ReadonlyMap<number, string> = new Map(
  Object.entries(PostBotEventTempRequest_Type).map(([name, number]) => [number, name]),
);

const eventMessageOf = ({ type, message, at }: NonNullable<BotView['events']>[number]): BotEvent => ({
  type: typeNames.get(type) ?? `TYPE_${type}`,
  message,
  time: timestampOf(at),
});

export const drainMessageOf = ({ instance, pattern, note, createdAt, expiresAt }: DrainView): Drain => ({
  instance,
  pattern,
  note,
  createTime: timestampOf(createdAt),
  expireTime: timestampOrUnset(expiresAt),
});

export const deviceMessageOf = (device: DeviceView): Device => ({
  id: BigInt(device.id),
  instance: device.instance,
  serials: { ...device.serials },
  data: device.data,
  heldReason: device.heldReason ?? '',
  settlingReason: device.settlingReason ?? '',
  settlingUntil: timestampOrUnset(device.settlingUntil),
});
