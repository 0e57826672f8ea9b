/** The `action` a shopfloor put into a reply, and what the line's configuration makes of it. It never edits a result. */
import { farmEvent } from '../core/farm-event.ts';
import { isGated } from '../core/job-request.ts';
import { ruleOf } from '../core/line.ts';
import { insertRerun, readRequestId } from '../store/reruns.ts';
import type { Queryable } from '../store/transaction.ts';
import { AWAITS_GATE } from './advance-route.ts';
import type { FarmSeams } from './farm.ts';
import { type Ledger, tallyJob } from './ledger.ts';
import { holdWithEvent } from './merge-device-data.ts';

export type ActionAsked = {
  readonly instance: string;
  readonly deviceId: number;
  readonly jobId: number | null;
  readonly station: string;
  readonly testId: string | null;
  readonly action: string;
};

/** A shopfloor that answers every failure with the same word would otherwise have a unit run for ever. */
const RERUNS_MAX = 3;
const RERUN_ID = /^rerun:(\d+):(\d+)$/;

/** The device and its lane are locked. */
export const actOnReply = async (
  farm: Pick<FarmSeams, 'lineOf' | 'log'>,
  db: Queryable,
  ledger: Ledger,
  asked: ActionAsked,
): Promise<void> => {
  const { instance, deviceId, jobId, testId, action } = asked;
  const does = farm.lineOf(instance)?.actions.get(action) ?? null;
  const done =
    does === null
      ? 'nothing'
      : does === 'hold'
        ? await hold(db, ledger, asked)
        : await rerunStation(farm, db, ledger, asked);
  ledger.events.push(farmEvent('CALL_ACTION', instance, { jobId, deviceId, facts: { action, testId, done } }));
  if (does === null) {
    farm.log.warn(
      { instance, deviceId, jobId, action },
      'the shopfloor asks for an action that the line does not name',
    );
  }
};

const hold = async (db: Queryable, ledger: Ledger, asked: ActionAsked): Promise<string> => {
  const reason = `the shopfloor asked for "${asked.action}" on ${asked.testId ?? asked.station}`;
  await holdWithEvent(db, ledger, asked, [asked.deviceId], reason);
  return 'hold';
};

/** Once for each job, however many of its results ask for it. Says what was done. */
export const rerunStation = async (
  farm: Pick<FarmSeams, 'lineOf'>,
  db: Queryable,
  ledger: Ledger,
  asked: Omit<ActionAsked, 'testId'>,
): Promise<string> => {
  const { instance, deviceId, jobId, station, action } = asked;
  const requestId = jobId === null ? null : await readRequestId(db, jobId);
  if (jobId === null || requestId === null) return 'nothing: there is no station to run again';
  const [, runs = '0', firstId = String(jobId)] = RERUN_ID.exec(requestId) ?? [];
  if (Number(runs) >= RERUNS_MAX) return `nothing: the station was run again ${runs} times already`;
  const line = farm.lineOf(instance);
  const rule = line === null ? null : ruleOf(line, station);
  const gated = line !== null && rule !== null && isGated(line, rule);
  const newId = await insertRerun(db, {
    jobId,
    deviceId,
    requestId: `rerun:${String(Number(runs) + 1)}:${firstId}`,
    heldBy: gated ? 'GATE_TURN' : null,
    heldReason: gated ? AWAITS_GATE : null,
  });
  if (newId === null) return 'nothing: the station is enqueued again already';
  tallyJob(ledger, { instance, station }, 'QUEUED', 1);
  const facts = { station, reason: `the shopfloor asked for "${action}" after job ${String(jobId)}` };
  ledger.events.push(farmEvent('JOB_ENQUEUED', instance, { jobId: newId, deviceId, facts }));
  ledger.wakes.push({ kind: 'device', id: deviceId });
  return `rerun as job ${String(newId)}`;
};
