/** The alarm for events that nobody is told: some transaction, perhaps of a person, has been open for too long. */
import { readHeldEventsMs } from '../store/event-horizon.ts';
import type { FarmSeams } from './farm.ts';
import type { Duty } from './lead.ts';

/** @param told hears the age of the oldest event that is held back, in milliseconds; 0: none is. */
export const watchHorizon = (
  { pool, limits, log }: Pick<FarmSeams, 'pool' | 'limits' | 'log'>,
  told: (heldMs: number) => void,
): Duty => ({
  name: 'alarms',
  everyMs: limits.leadership.eventsHeldMs,
  do: async () => {
    const heldMs = await readHeldEventsMs(pool);
    told(heldMs);
    if (heldMs <= limits.leadership.eventsHeldMs) return;
    log.warn(
      { heldMs },
      'watchers are told nothing new: a transaction is open that is older than the newest events. ' +
        'Find it in pg_stat_activity, by xact_start, and end it',
    );
  },
});
