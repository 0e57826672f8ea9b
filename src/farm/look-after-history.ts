/** Looks after history, for the replica that leads. */
import { type FarmSeams, transact } from './farm.ts';
import { type HistoryKept, keepHistory } from './keep-history.ts';
import type { Duty } from './lead.ts';

/** @param told hears how many days a round has left to the next one. */
export const lookAfterHistory = (farm: FarmSeams, told: (daysLeft: number) => void): Duty => {
  const { limits, log } = farm;
  return {
    name: 'history',
    everyMs: limits.history.checkMs,
    do: async (signal) => {
      const kept = await keepHistory({ limits, transact: (work) => transact(farm, work), signal });
      told(kept.left.length);
      tell(log, kept);
    },
  };
};

const tell = (log: FarmSeams['log'], { made, dropped, deleted, left }: HistoryKept): void => {
  if (dropped.length > 0 || deleted > 0) log.info({ dropped, deleted }, 'history past its time was dropped');
  if (made.length > 0) log.info({ days: made.length }, 'days of history were made ahead');
  if (left.length > 0) log.info({ left }, 'days of history were left to the next round');
};
