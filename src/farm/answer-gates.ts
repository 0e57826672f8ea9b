/** The shopfloor has answered questions of jobs for leave to start. Part of the transaction that records the answers. */
import type { CallState } from '../core/send-outcome.ts';
import { hasEnded } from '../core/job.ts';
import { readLatestCalls } from '../store/shopfloor-calls.ts';
import type { Queryable } from '../store/transaction.ts';
import type { FarmSeams } from './farm.ts';
import type { Ledger } from './ledger.ts';
import { moveGate, oweClosing } from './move-gate.ts';

export type GateAnswer = {
  readonly callId: string;
  readonly jobId: number;
  readonly instance: string;
  readonly deviceId: number;
  readonly station: string;
  readonly attempt: number;
  /** DELIVERED: yes. GATE_REFUSED: no. Anything else is no answer yet. */
  readonly state: CallState;
  /** The partner's words of refusal. */
  readonly words: string;
};

/** The jobs are locked and in the ledger. */
export const answerGates = async (
  farm: Pick<FarmSeams, 'limits' | 'lineOf' | 'newId'>,
  db: Queryable,
  ledger: Ledger,
  answers: readonly GateAnswer[],
): Promise<void> => {
  const given = answers.filter(({ state }) => state === 'DELIVERED' || state === 'GATE_REFUSED');
  const latest = await readLatestCalls(
    db,
    given.map(({ jobId }) => jobId),
  );
  for (const answer of given) {
    const job = ledger.jobs.get(answer.jobId);
    // Another job of the DUT may have waited for this start to be settled.
    if (job !== undefined && hasEnded(job.state)) ledger.wakes.push({ kind: 'device', id: answer.deviceId });
    // What the job has been through since (an override, its attempt, another question) does not wait for this answer.
    if (job === undefined || !latest.has(answer.callId)) continue;
    if (answer.state === 'GATE_REFUSED') {
      moveGate(farm, ledger, job, { event: 'FAULTED', words: `the shopfloor refused the start: ${answer.words}` });
      continue;
    }
    const cleared = moveGate(farm, ledger, job, { event: 'ANSWERED', words: 'the shopfloor gave leave to start' });
    if (!cleared && hasEnded(job.state)) {
      oweClosing(farm, ledger, answer, `the job ended before it started: ${job.reason ?? job.state.toLowerCase()}`);
    }
  }
};
