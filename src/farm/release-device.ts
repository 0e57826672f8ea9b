/** An operator ends the hold of a DUT, or its settling: it may get work again. */
import { farmEvent } from '../core/farm-event.ts';
import { isGated } from '../core/job-request.ts';
import { ruleOf } from '../core/line.ts';
import { Refusal } from '../core/refusal.ts';
import { findJobsHeldWithDevice, releaseDeviceRow } from '../store/device-records.ts';
import { readFarmNow } from '../store/gates.ts';
import { type JobRow, lockJobs } from '../store/jobs.ts';
import { AWAITS_GATE } from './advance-route.ts';
import { type Farm, transact } from './farm.ts';
import { lineFor } from './instance.ts';
import { announce, type Ledger, openLedger, writeLedger } from './ledger.ts';
import { checkedReason } from './operators-reason.ts';

/**
 * @throws Refusal NOT_FOUND; WRONG_STATE for a device that is neither held nor settling; INVALID for an unknown
 * instance, and for a reason that is missing or too long.
 */
export const releaseDevice = async (
  farm: Farm,
  request: { readonly instance: string; readonly id: number; readonly reason: string },
): Promise<void> => {
  const { instance, id } = request;
  lineFor(farm, instance);
  const reason = checkedReason(farm.limits, request.reason, { required: true });
  const ledger = await transact(farm, async (db) => {
    const waiting = await findJobsHeldWithDevice(db, id);
    const jobs = waiting.length === 0 ? [] : await lockJobs(db, { jobIds: waiting, sessionNames: [] });
    const was = await releaseDeviceRow(db, { instance, id });
    // An enqueue that saw the hold may have committed while the row was waited for. No more can come now.
    const late = (await findJobsHeldWithDevice(db, id)).filter((jobId) => !waiting.includes(jobId));
    const held = late.length === 0 ? jobs : [...jobs, ...(await lockJobs(db, { jobIds: late, sessionNames: [] }))];
    if (was === null) {
      const words = `There is no device ${String(id)} in instance ${JSON.stringify(instance)}. Look it up by its serial.`;
      throw new Refusal('NOT_FOUND', 'NO_SUCH_DEVICE', words);
    }
    const ended = was.heldReason ?? was.settlingReason;
    if (ended === null) {
      const words = `Device ${String(id)} is neither held nor settling, so there is nothing to release it from.`;
      throw new Refusal('WRONG_STATE', 'DEVICE_NOT_HELD', words);
    }
    const opened = openLedger(await readFarmNow(db), { jobs: held });
    opened.events.push(farmEvent('DEVICE_RELEASED', instance, { deviceId: id, facts: { reason, ended } }));
    opened.wakes.push({ kind: 'device', id });
    for (const job of held) if (job.state === 'QUEUED' && job.heldBy === 'DEVICE') letGo(farm, opened, job);
    await writeLedger(db, opened);
    return opened;
  });
  announce(ledger, farm);
};

/** A job that was enqueued while its DUT was held goes on to its gate, or to the queue. */
const letGo = (farm: Farm, ledger: Ledger, job: JobRow): void => {
  const line = farm.lineOf(job.instance);
  const rule = line === null ? null : ruleOf(line, job.station);
  const gated = line !== null && rule !== null && isGated(line, rule);
  job.heldBy = gated ? 'GATE_TURN' : null;
  job.heldReason = gated ? AWAITS_GATE : null;
  ledger.changedJobs.add(job);
  ledger.wakes.push({ kind: 'job', id: job.id });
  const { id: jobId, instance, deviceId } = job;
  const facts = { heldBy: job.heldBy, heldReason: job.heldReason };
  ledger.events.push(farmEvent('JOB_RELEASED', instance, { jobId, deviceId, facts }));
};
