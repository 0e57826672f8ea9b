/** Farm events as they are shown. */
import { z } from 'zod';
import type { FarmEventKind } from '../../../core/farm-event.ts';
import type { StoredEvent } from '../../../farm/event-tail.ts';
import { at, number } from './words.ts';

/** What each tells, in a sentence. */
export const eventSays: Readonly<Record<FarmEventKind, string>> = {
  JOB_ENQUEUED: 'A job was enqueued.',
  JOB_HELD: 'A job waits for something that is not a bot.',
  JOB_RELEASED: 'What a job waited for has come.',
  JOB_REQUEUED: 'A job is queued again.',
  JOB_FINISHED: 'A job ran to its end, and has a verdict.',
  JOB_FAILED: 'A job ended without a verdict.',
  JOB_CANCELLED: 'A job was cancelled.',
  CANCEL_ASKED: 'Somebody asked to cancel a job that a bot has.',
  LEASE_GRANTED: 'A bot was given a job.',
  LEASE_STARTED: 'A bot has begun a job.',
  LEASE_COMPLETED: 'A bot is done with a job.',
  LEASE_WITHDRAWN: 'A job was taken from a bot, or given back by it.',
  LEASE_REFUSED: 'A bot could not take a job.',
  LEASE_CANCELLED: 'A bot has stopped a job that was cancelled.',
  LEASE_LOST: 'A bot that worked on a job was not heard of any more.',
  LATE_COMPLETION: 'A bot said that it was done after its lease had ended.',
  RESULTS_REPORTED: 'A bot reported results of tests.',
  GATE_CLEARED: 'The shopfloor lets a job run.',
  GATE_REFUSED: 'The shopfloor does not let a job run.',
  GATE_LAPSED: 'A job did not start in time after the shopfloor had let it.',
  GATE_OVERRIDDEN: 'A person let a job run against the shopfloor.',
  SESSION_CREATED: 'A bot came.',
  SESSION_LAPSED: 'A bot was not heard of within its time to live.',
  SESSION_CLOSED: "A bot's session ended.",
  BOT_EVENT: 'A bot posted an event.',
  BOT_QUARANTINED: 'A bot is kept from work until a person releases it.',
  BOT_RELEASED: 'A person released a bot.',
  BOTS_DRAINED: 'Bots are given no new work.',
  BOTS_UNDRAINED: 'A drain was ended.',
  DEVICE_CHANGED: 'What is known of a DUT has changed.',
  DEVICE_HELD: 'A DUT is given no work until it is released.',
  DEVICE_RELEASED: 'The hold of a DUT has ended.',
  CALL_DELIVERED: 'The shopfloor has taken a call.',
  CALL_DEAD: 'The shopfloor refused a call for good: its lane waits for a person.',
  CALL_RETRIED: 'A person sends a dead letter again.',
  CALL_SKIPPED: 'A call was left out.',
  CALL_ACTION: 'The shopfloor asked for something in its answer.',
  BRIDGE_RESUMED: 'After a restore the shopfloor is told again.',
};

export const FARM_EVENT_KINDS: readonly FarmEventKind[] = toKinds(Object.keys(eventSays));

export const farmEventKind = z.enum(FARM_EVENT_KINDS).meta({ id: 'FarmEventKind', description: 'What has happened.' });

export const farmEvent = z
  .strictObject({
    kind: farmEventKind,
    at,
    instance: z.string(),
    jobId: number.nullable(),
    leaseId: z.uuid().nullable(),
    botId: z.string().nullable(),
    deviceId: number.nullable(),
    facts: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
      .describe('A few facts more, for reading.'),
  })
  .meta({ id: 'FarmEvent', description: 'A committed fact.' });

export const eventWatched = z
  .strictObject({ cursor: z.string().describe('Resumes after this, on any replica.'), event: farmEvent })
  .meta({ id: 'EventWatched', description: 'A farm event, and its place.' });

export const farmEventJson = ({ place, ...event }: StoredEvent) => ({ ...event, at: place.at });

/** They are the keys of a table of them all. */
function toKinds(names: readonly string[]): readonly FarmEventKind[] {
  return names as readonly FarmEventKind[];
}
