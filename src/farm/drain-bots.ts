/** Lets the bots that match finish what they hold and gives them nothing new, present and future ones alike. */
import { farmEvent } from '../core/farm-event.ts';
import { invalid, Refusal } from '../core/refusal.ts';
import { checkName } from '../core/text.ts';
import { deleteExpiredDrains, type DrainRow, lockDrains, putDrain, readDrains } from '../store/drains.ts';
import { appendEvents } from '../store/farm-events.ts';
import { type Farm, transact } from './farm.ts';
import { lineFor } from './instance.ts';
import { checkedReason } from './operators-reason.ts';
import { tell } from './quarantine-bot.ts';

export type DrainView = DrainRow;

export type DrainAsked = {
  readonly instance: string;
  /** Over bot ids: `*` for any run of characters, `?` for one. */
  readonly pattern: string;
  readonly note: string;
  /** Null: until undrained. */
  readonly expiresInMs: number | null;
};

/** A drain for longer than this is for good: leave the expiry out. */
const EXPIRES_IN_MAX_MS = 366 * 24 * 60 * 60 * 1000;

/** Draining a pattern again gives it the new note and expiry. @throws Refusal INVALID, LIMIT_REACHED. */
export const drainBots = async (farm: Farm, asked: DrainAsked): Promise<DrainView> => {
  const { instance, pattern } = asked;
  lineFor(farm, instance);
  checkName('The pattern', pattern, farm.limits.text.nameBytesMax);
  const note = checkedReason(farm.limits, asked.note, { required: true });
  const expiresInMs = checkedExpiry(asked.expiresInMs);
  const event = farmEvent('BOTS_DRAINED', instance, { facts: { pattern, note } });
  const drain = await transact(farm, async (db) => {
    await lockDrains(db, instance);
    await deleteExpiredDrains(db, instance);
    const others = (await readDrains(db, instance)).filter((each) => each.pattern !== pattern);
    if (others.length >= farm.limits.bots.drainRulesMax) throw tooManyDrains(farm, instance);
    const row = await putDrain(db, { instance, pattern, note, expiresInMs });
    await appendEvents(db, [event]);
    return row;
  });
  tell(farm, { events: [event], wakes: [{ kind: 'drains' }] });
  return drain;
};

const checkedExpiry = (ms: number | null): number | null => {
  if (ms === null) return null;
  if (ms > 0 && ms <= EXPIRES_IN_MAX_MS) return Math.ceil(ms);
  throw invalid(
    'DURATION_OUT_OF_RANGE',
    `The drain would end in ${ms / 1000} s; that must be above 0 and at most 366 days. Leave it out for a drain until undrained.`,
  );
};

const tooManyDrains = (farm: Farm, instance: string): Refusal =>
  new Refusal(
    'LIMIT_REACHED',
    'TOO_MANY_DRAINS',
    `Instance '${instance}' has ${farm.limits.bots.drainRulesMax} drains in force, which is its limit. Undrain some, or use one pattern for many bots.`,
  );
