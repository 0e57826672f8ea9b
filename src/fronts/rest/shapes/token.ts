/** Tokens of bots, and callers, as they are shown. */
import { z } from 'zod';
import type { TokenState } from '../../../core/bot-token.ts';
import type { Principal, Role } from '../../../core/principal.ts';
import { at, nextPageToken, type Words } from './words.ts';

const token = z
  .strictObject({
    id: z.uuid(),
    instance: z.string(),
    botId: z.string(),
    createdAt: at,
    createdBy: z.string(),
    expiresAt: at,
    revokedAt: at.nullable(),
    revokedBy: z.string().nullable(),
    state: z.enum({ VALID: 'VALID', EXPIRED: 'EXPIRED', REVOKED: 'REVOKED' } satisfies Words<TokenState>),
  })
  .meta({ id: 'BotToken', description: 'A token of a bot, without the secret.' });

export const tokenMade = z
  .strictObject({ token, secretText: z.string().describe('Shown this once.') })
  .meta({ id: 'BotTokenMade', description: 'A new token, and its secret.' });

export const tokens = z.strictObject({ tokens: z.array(token) });
export const tokenPage = tokens.extend({ nextPageToken }).meta({ id: 'BotTokenPage', description: 'Tokens of bots.' });

export const caller = z
  .strictObject({
    name: z.string(),
    kind: z.enum({ open: 'open', nobody: 'nobody', bot: 'bot', member: 'member' } satisfies Words<Principal['kind']>),
    bot: z.strictObject({ instance: z.string(), botId: z.string() }).nullable(),
    grants: z.array(
      z.strictObject({
        instance: z.string().describe('`*`: every instance.'),
        role: z.enum({
          viewer: 'viewer',
          submitter: 'submitter',
          operator: 'operator',
          admin: 'admin',
          bot: 'bot',
          bridge: 'bridge',
        } satisfies Words<Role>),
      }),
    ),
  })
  .meta({ id: 'Caller', description: 'Whom the farm takes the caller for.' });
