/** What every refusal is told as (RFC 9457). */
import { z } from 'zod';

export const problem = z
  .strictObject({
    type: z.string().describe('A name; nothing is to be read there.'),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().describe('What happened, why, and how to mend it.'),
    reason: z.string().describe('The same for programs; stable.'),
    metadata: z.record(z.string(), z.string()).optional(),
  })
  .meta({ id: 'Problem', description: 'Why it was refused.' });
