/** Testlog events that were put aside, as they are shown. */
import { z } from 'zod';
import { at, count, nextPageToken, number } from './words.ts';

const event = z
  .strictObject({
    id: number,
    instance: z.string(),
    reason: z.string(),
    nodeId: z.string().nullable(),
    peer: z.string(),
    bytes: count,
    sha256: z.string(),
    event: z.string().nullable().describe('Its beginning; null: it is in the file.'),
    path: z.string().nullable(),
    times: number,
    firstAt: at,
    lastAt: at,
  })
  .meta({ id: 'QuarantinedEvent', description: 'A Testlog event that was put aside, with the reason.' });

export const quarantinedPage = z
  .strictObject({ events: z.array(event), nextPageToken })
  .meta({ id: 'QuarantinedEventPage', description: 'The newest first.' });
