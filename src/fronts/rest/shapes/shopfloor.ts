/** Shopfloor calls, lanes, and what to do after a restore, as they are shown. */
import { z } from 'zod';
import type { RestoreCause } from '../../../core/restore.ts';
import type { CallState } from '../../../core/send-outcome.ts';
import { at, count, nextPageToken, number, serials, type Words } from './words.ts';

export const callState = z.enum({
  OWED: 'OWED',
  DELIVERED: 'DELIVERED',
  GATE_REFUSED: 'GATE_REFUSED',
  DEAD: 'DEAD',
  SKIPPED: 'SKIPPED',
} satisfies Words<CallState>);

const callKeys = {
  id: z.uuid(),
  instance: z.string(),
  deviceId: number,
  position: count.describe('In the lane of its DUT.'),
  method: z.string(),
  station: z.string(),
  testId: z.string().nullable(),
  status: z.string().nullable(),
  event: z.string().nullable(),
  jobId: number.nullable(),
  attempt: count,
  state: callState,
  sends: count,
  faults: count,
  lastError: z.string().nullable(),
  possiblyDuplicated: z.boolean(),
  answer: z.unknown().describe('What the shopfloor answered, registration codes redacted.'),
  action: z.string().nullable(),
  skipReason: z.string().nullable(),
  owedAt: at,
  settledAt: at.nullable(),
  nextSendAt: at.nullable(),
};

export const call = z.strictObject(callKeys).meta({ id: 'Call', description: 'One call owed to a shopfloor.' });

const send = z.strictObject({
  number,
  replica: z.uuid(),
  sentAt: at,
  endedAt: at.nullable(),
  outcome: z.string().nullable().describe('Null: it is under way, or its sender went away.'),
  words: z.string().nullable(),
});

export const callWithJournal = z
  .strictObject({ ...callKeys, journal: z.array(send) })
  .meta({ id: 'CallWithJournal', description: 'A call, and its sends, newest first.' });

export const callPage = z
  .strictObject({ calls: z.array(call), nextPageToken })
  .meta({ id: 'CallPage', description: 'Calls, newest first.' });

const lane = z
  .strictObject({
    instance: z.string(),
    deviceId: number,
    serial: z.string(),
    owed: count,
    blocked: z.boolean(),
    head: call.nullable(),
  })
  .meta({ id: 'Lane', description: 'The ordered stream of calls of one DUT.' });

export const lanePage = z
  .strictObject({ lanes: z.array(lane), nextPageToken })
  .meta({ id: 'LanePage', description: 'Lanes, the blocked ones first.' });

export const restore = z
  .strictObject({
    number,
    noticedAt: at,
    cause: z.enum({ PROMOTED: 'PROMOTED', MOVED: 'MOVED', SAID: 'SAID' } satisfies Words<RestoreCause>),
    lastFactAt: at.nullable(),
    jobIdsSkippedFrom: count,
    jobIdsSkipped: count,
  })
  .meta({ id: 'Restore', description: 'A database that is not the one the farm knew.' });

export const reconciliation = z
  .strictObject({
    restore: restore.nullable().describe('Null: there is nothing to reconcile.'),
    entries: z.array(
      z.strictObject({
        instance: z.string(),
        deviceId: number,
        serials,
        cause: z.enum(['OWED', 'UNDER_WAY', 'RECENT']),
        owed: count,
        lastTold: call.nullable(),
        nextOwed: call.nullable(),
      }),
    ),
    nextPageToken,
  })
  .meta({ id: 'Reconciliation', description: 'What to compare with the partner, the newest DUTs first.' });
