/** Whether a bot may be what it says it is, where the line's configuration pins that. */
import { claimNotAllowed } from '../core/claims.ts';
import type { BotIdentity } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import { storableText } from '../core/text.ts';
import type { FarmSeams } from './farm.ts';
import { toProperties } from './sessions.ts';

/** Of a value that is named in words for people. */
const SHOWN_BYTES_MAX = 256;

/** @param properties as canonical text. @throws Refusal FORBIDDEN, CLAIM_NOT_ALLOWED. */
export const checkClaims = (
  farm: Pick<FarmSeams, 'lineOf'>,
  { instance, botId }: BotIdentity,
  properties: string,
): void => {
  const rules = farm.lineOf(instance)?.claims ?? [];
  if (rules.length === 0) return;
  const claim = claimNotAllowed(rules, { botId, properties: toProperties(properties) });
  if (claim === null) return;
  const { property } = claim;
  const value = storableText(claim.value, SHOWN_BYTES_MAX);
  throw new Refusal(
    'FORBIDDEN',
    'CLAIM_NOT_ALLOWED',
    `Bot ${JSON.stringify(botId)} declares ${property}=${JSON.stringify(value)}, and the claims of instance ${JSON.stringify(instance)} do not let it. ` +
      'Mend what the bot declares, or allow it under `claims` of the line.',
    { property, value },
  );
};
