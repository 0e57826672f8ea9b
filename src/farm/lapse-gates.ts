/** Clearances that nobody used in time: the shopfloor is told, and the jobs ask again when it is their turn. */
import { gateStateOf } from '../core/gate.ts';
import { findLapsedGates, readFarmNow } from '../store/gates.ts';
import { type JobRow, lockJobs } from '../store/jobs.ts';
import { AWAITS_GATE } from './advance-route.ts';
import { type Farm, transact } from './farm.ts';
import { announce, openLedger, writeLedger } from './ledger.ts';
import { moveGate, oweClosing } from './move-gate.ts';

/** Jobs of one commit; the next tick takes the rest. */
const LAPSED_MAX = 100;

/** To be called by the tick. Returns how many lapsed. */
export const lapseGates = async (farm: Farm): Promise<number> => {
  const jobIds = await findLapsedGates(farm.pool, LAPSED_MAX);
  if (jobIds.length === 0) return 0;
  const { ledger, lapsed } = await transact(farm, async (db) => {
    const jobs = await lockJobs(db, { jobIds, sessionNames: [] });
    const opened = openLedger(await readFarmNow(db), { jobs });
    const due = jobs.filter((job) => jobIds.includes(job.id) && hasLapsed(job, opened.now));
    for (const job of due) {
      moveGate(farm, opened, job, { event: 'LAPSED', words: AWAITS_GATE });
      const { id: jobId, instance, station, deviceId, attempts } = job;
      if (deviceId === null) continue;
      const start = { instance, station, deviceId, jobId, attempt: attempts + 1 };
      oweClosing(farm, opened, start, 'no bot started the station while the leave to start stood');
    }
    await writeLedger(db, opened);
    return { ledger: opened, lapsed: due.length };
  });
  announce(ledger, farm);
  return lapsed;
};

const hasLapsed = (job: JobRow, now: Date): boolean =>
  gateStateOf(job) === 'CLEARED' && job.gateClearedUntil !== null && job.gateClearedUntil <= now;
