/** Ends a drain, named by its pattern as it was given. */
import { farmEvent } from '../core/farm-event.ts';
import { Refusal } from '../core/refusal.ts';
import { checkName } from '../core/text.ts';
import { deleteDrain } from '../store/drains.ts';
import { appendEvents } from '../store/farm-events.ts';
import { type Farm, transact } from './farm.ts';
import { lineFor } from './instance.ts';
import { tell } from './quarantine-bot.ts';

/** @throws Refusal NOT_FOUND: no drain of that pattern is in force. */
export const undrainBots = async (
  farm: Farm,
  { instance, pattern }: { readonly instance: string; readonly pattern: string },
): Promise<void> => {
  lineFor(farm, instance);
  checkName('The pattern', pattern, farm.limits.text.nameBytesMax);
  const event = farmEvent('BOTS_UNDRAINED', instance, { facts: { pattern } });
  await transact(farm, async (db) => {
    if (!(await deleteDrain(db, instance, pattern))) throw noSuchDrain(instance, pattern);
    await appendEvents(db, [event]);
  });
  tell(farm, { events: [event], wakes: [{ kind: 'drains' }] });
};

const noSuchDrain = (instance: string, pattern: string): Refusal =>
  new Refusal(
    'NOT_FOUND',
    'NO_SUCH_DRAIN',
    `No drain of pattern '${pattern}' is in force in instance '${instance}'. Name the pattern as it was given; a bot shows the drain that covers it.`,
  );
