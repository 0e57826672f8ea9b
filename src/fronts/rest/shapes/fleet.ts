/** Bots, drains and DUTs as they are shown. */
import { z } from 'zod';
import { heldLease } from './lease.ts';
import { at, count, nextPageToken, number, serials } from './words.ts';

export const drain = z
  .strictObject({
    instance: z.string(),
    pattern: z.string(),
    note: z.string(),
    createdAt: at,
    expiresAt: at.nullable().describe('Null: until it is ended.'),
  })
  .meta({ id: 'Drain', description: 'Bots that are given no new work.' });

export const drains = z.strictObject({ drains: z.array(drain) });

export const bot = z
  .strictObject({
    instance: z.string(),
    botId: z.string(),
    connected: z.boolean(),
    status: z
      .string()
      .describe('As it last reported; LOST after an unclean end of its session, OFFLINE after a clean one.'),
    version: z.string(),
    capacity: count,
    properties: z.record(z.string(), z.array(z.string())),
    serials: z.array(z.string()).describe("Of the DUTs it declares, the primary device's first."),
    leases: z.array(heldLease),
    session: z.string().nullable(),
    sessionStartedAt: at.nullable(),
    lastSeenAt: at.nullable(),
    drain: drain.nullable(),
    quarantineReason: z.string().nullable(),
    errorEvents: count.describe('ERROR events in a row.'),
    whyNoWork: z.string().nullable(),
    events: z
      .array(z.strictObject({ type: z.string(), message: z.string(), at }))
      .optional()
      .describe('What it posted lately, newest first, where one bot is shown.'),
  })
  .meta({ id: 'Bot', description: 'A bot, and its session.' });

export const botPage = z
  .strictObject({ bots: z.array(bot), nextPageToken })
  .meta({ id: 'BotPage', description: 'Bots, by id.' });

export const device = z
  .strictObject({
    id: number,
    instance: z.string(),
    serials,
    data: z.record(z.string(), z.unknown()).describe('What the shopfloor returned: dotted keys.'),
    heldReason: z.string().nullable().describe('Why it gets no work until it is released.'),
    settlingReason: z.string().nullable(),
    settlingUntil: at.nullable(),
  })
  .meta({ id: 'Device', description: 'A DUT.' });
