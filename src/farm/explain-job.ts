/** Says why a job is not running, and what each bot that could take it is at. */
import type { DutFacts, ExplainFacts } from '../core/explain-facts.ts';
import { explain, type Explanation } from '../core/explain.ts';
import { countLive, readDutNow } from '../store/explain.ts';
import { readCandidates } from './candidates.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';
import { type JobName, readJob } from './get-job.ts';

export type { Explanation };

/** Read at leisure, statement by statement: what it says may be a moment old. @throws Refusal NOT_FOUND, INVALID. */
export const explainJob = async (farm: Farm, name: JobName): Promise<Explanation> => {
  lineFor(farm, name.instance);
  return explainAsked(farm, await readJob(farm.pool, name));
};

/** The same for a job that has been read, or that might be enqueued. */
export const explainAsked = async (
  farm: Farm,
  job: ExplainFacts['job'] & { readonly instance: string; readonly deviceId: number | null },
): Promise<Explanation> => {
  if (job.state !== 'QUEUED') {
    return explain({ job, dut: null, connected: 0, requestedIsConnected: false, sessions: [] });
  }
  const dut = job.deviceId === null ? null : await readDut(farm, job.deviceId);
  return explain({
    job,
    dut,
    ...(await countLive(farm.pool, job.instance, job.requestedBotId)),
    sessions: await readCandidates(farm, job),
  });
};

const readDut = async (farm: Farm, id: number): Promise<DutFacts> => {
  const now = await readDutNow(farm.pool, id);
  if (now === null) throw new Error(`a job is pinned to device ${id}, which is not there`);
  const { heldReason, settlingReason, jobId, botId, asked, declared } = now;
  const leasedTo = jobId === null || botId === null ? null : { jobId, botId };
  return { id, heldReason, settlingReason, asked, declared, leasedTo };
};
