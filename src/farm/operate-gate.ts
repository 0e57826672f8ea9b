/** An operator's word on a job at its gate: what retry-gate.ts and override-gate.ts share. */
import type { GateEvent } from '../core/gate.ts';
import type { Refusal } from '../core/refusal.ts';
import { readFarmNow } from '../store/gates.ts';
import { type JobRow, lockJobs } from '../store/jobs.ts';
import { noSuchJob } from './cancel-job.ts';
import { type Farm, transact } from './farm.ts';
import { announce, openLedger, writeLedger } from './ledger.ts';
import { moveGate } from './move-gate.ts';

export type GateRequest = {
  readonly instance: string;
  readonly jobId: number;
  readonly reason: string;
};

/** @throws Refusal NOT_FOUND; WRONG_STATE with what `refuse` says of the job. */
export const operateGate = async (
  farm: Farm,
  request: GateRequest,
  step: { readonly event: GateEvent; readonly words: string },
  refuse: (job: JobRow) => Refusal,
): Promise<JobRow> => {
  const { job, ledger } = await transact(farm, async (db) => {
    const jobs = await lockJobs(db, { jobIds: [request.jobId], sessionNames: [] });
    const found = jobs.find(({ id, instance }) => id === request.jobId && instance === request.instance);
    if (found === undefined) {
      throw noSuchJob({ instance: request.instance, id: request.jobId });
    }
    const opened = openLedger(await readFarmNow(db), { jobs });
    if (!moveGate(farm, opened, found, step)) throw refuse(found);
    await writeLedger(db, opened);
    return { job: found, ledger: opened };
  });
  announce(ledger, farm);
  return job;
};
