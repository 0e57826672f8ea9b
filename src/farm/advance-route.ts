/** A job of a route has ended: the next one may run, or the rest is held. */
import { farmEvent } from '../core/farm-event.ts';
import { hasShopfloor, ruleOf } from '../core/line.ts';
import type { JobRow } from '../store/jobs.ts';
import type { FarmSeams } from './farm.ts';
import type { Ledger } from './ledger.ts';

/** The words of a gated job that has not asked yet. */
export const AWAITS_GATE = 'waits for its turn to ask the shopfloor for leave to start';

/**
 * The queued mates on the job's route were locked with it (`lockJobs`).
 * @param wasAtHead false: the job ended while it still waited for an earlier one, which is what the next goes on waiting for.
 */
export const advanceRoute = (
  seams: Pick<FarmSeams, 'lineOf'>,
  ledger: Ledger,
  ended: JobRow,
  wasAtHead = true,
): void => {
  if (ended.route === null) return;
  const mates = [...ledger.jobs.values()]
    .filter((job) => job.route === ended.route && job.deviceId === ended.deviceId)
    .filter((job) => job.heldBy === 'ROUTE' && job.id > ended.id)
    .sort((a, b) => a.id - b.id);
  const passed = ended.state === 'FINISHED' && ended.verdict !== 'FAILED';
  if (passed || ended.onFailed === 'continue') {
    const [next] = mates;
    if (next !== undefined && wasAtHead) release(seams, ledger, next);
    return;
  }
  const how = ended.verdict === 'FAILED' ? 'did not pass' : ended.state.toLowerCase();
  for (const job of mates) {
    job.heldBy = 'ROUTE_STOPPED';
    job.heldReason = `route ${ended.route} is stopped: job ${String(ended.id)} (${ended.station}) ${how}: ${ended.reason ?? ''}`;
    note(ledger, job, 'JOB_HELD');
  }
};

const release = (seams: Pick<FarmSeams, 'lineOf'>, ledger: Ledger, job: JobRow): void => {
  const line = seams.lineOf(job.instance);
  const gated = hasShopfloor(line) && ruleOf(line, job.station)?.mode === 'gate';
  job.heldBy = gated ? 'GATE_TURN' : null;
  job.heldReason = gated ? AWAITS_GATE : null;
  job.queuedAt = ledger.now;
  note(ledger, job, 'JOB_RELEASED');
  if (job.deviceId !== null) ledger.wakes.push({ kind: 'device', id: job.deviceId });
};

const note = (ledger: Ledger, job: JobRow, kind: 'JOB_HELD' | 'JOB_RELEASED'): void => {
  ledger.changedJobs.add(job);
  ledger.wakes.push({ kind: 'job', id: job.id });
  const facts = { heldBy: job.heldBy, heldReason: job.heldReason };
  ledger.events.push(farmEvent(kind, job.instance, { jobId: job.id, deviceId: job.deviceId, facts }));
};
