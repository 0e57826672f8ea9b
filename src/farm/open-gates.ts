/** Jobs whose turn has come at a gated station ask the shopfloor for leave to start. */
import { farmEvent } from '../core/farm-event.ts';
import { isGated } from '../core/job-request.ts';
import { ruleOf } from '../core/line.ts';
import { callOfGate } from '../core/shopfloor-call.ts';
import { lockDevices } from '../store/device-records.ts';
import { findTurns, findTurnsOfDevices, readFarmNow } from '../store/gates.ts';
import { type JobRow, lockJobs } from '../store/jobs.ts';
import { type Farm, transact } from './farm.ts';
import { announce, type Ledger, openLedger, writeLedger } from './ledger.ts';
import { moveGate } from './move-gate.ts';

/** Jobs looked at in one go, when all gates are gone through. */
const GATES_SEEN_MAX = 1000;

/** To be called when DUTs may have become free, and when jobs were enqueued for them. */
export const openGates = async (farm: Farm, deviceIds: readonly number[]): Promise<void> => {
  await askFor(farm, await findTurnsOfDevices(farm.pool, deviceIds));
};

/**
 * The backstop of a missed wake and of a DUT that has settled by the clock: goes through a stretch of the waiting jobs.
 * @param afterJobId 0 at first, then what the last call returned. Null comes back when the end is reached.
 */
export const openGatesAfter = async (farm: Farm, afterJobId: number): Promise<number | null> => {
  const { jobIds, lastSeenId } = await findTurns(farm.pool, afterJobId, GATES_SEEN_MAX);
  await askFor(farm, jobIds);
  return lastSeenId;
};

const askFor = async (farm: Farm, jobIds: readonly number[]): Promise<void> => {
  if (jobIds.length === 0) return;
  const ledger = await transact(farm, async (db) => {
    const jobs = await lockJobs(db, { jobIds, sessionNames: [] });
    const asking = jobs.filter((job) => jobIds.includes(job.id));
    const deviceIds = asking.flatMap(({ deviceId }) => (deviceId === null ? [] : [deviceId]));
    // Under the DUTs' locks the turn is looked at again: else two replicas could let two jobs of one DUT ask.
    await lockDevices(db, deviceIds);
    const turns = new Set(await findTurnsOfDevices(db, deviceIds));
    const opened = openLedger(await readFarmNow(db), { jobs });
    for (const job of asking) if (turns.has(job.id)) ask(farm, opened, job);
    await writeLedger(db, opened);
    return opened;
  });
  announce(ledger, farm);
};

const ask = (farm: Farm, ledger: Ledger, job: JobRow): void => {
  const { id: jobId, instance, station, deviceId, attempts } = job;
  if (deviceId === null) return;
  const line = farm.lineOf(instance);
  const rule = line === null ? null : ruleOf(line, station);
  if (line === null || rule === null || !isGated(line, rule)) {
    letGo(ledger, job);
    return;
  }
  const words = 'asked the shopfloor for leave to start, and waits for the answer';
  if (!moveGate(farm, ledger, job, { event: 'ASKED', words })) return;
  const place = { instance, deviceId, jobId, leaseId: null, attempt: attempts + 1 };
  ledger.calls.push({ ...callOfGate(station), ...place, id: farm.newId(), traceparent: job.traceparent });
};

/** The station is no longer gated, or the line has no shopfloor any more: nothing is left to wait for. */
const letGo = (ledger: Ledger, job: JobRow): void => {
  job.heldBy = null;
  job.heldReason = null;
  ledger.changedJobs.add(job);
  const { id: jobId, instance, deviceId } = job;
  const facts = { reason: 'the station is no longer gated' };
  ledger.events.push(farmEvent('JOB_RELEASED', instance, { jobId, deviceId, facts }));
  ledger.wakes.push({ kind: 'job', id: jobId });
  if (deviceId !== null) ledger.wakes.push({ kind: 'device', id: deviceId });
};
