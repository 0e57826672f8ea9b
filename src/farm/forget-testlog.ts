/** Forgets what DUTs told by Testlog long ago, for the replica that leads. What became a job's result stays with the job. */
import { forgetTestlog } from '../store/testlog-events.ts';
import { type FarmSeams, transact } from './farm.ts';
import type { Duty } from './lead.ts';

export const forgetOldTestlog = (farm: FarmSeams): Duty => {
  const { limits, log } = farm;
  return {
    name: 'testlog',
    everyMs: limits.history.checkMs,
    do: async () => {
      const gone = await transact(farm, (db) => forgetTestlog(db, limits.testlog, limits.testlog.forgottenMax));
      if (gone > 0) log.info({ rows: gone }, 'events of DUTs past their time were forgotten');
    },
  };
};
