/** Route check: may this DUT run that station now, and why not. */
import { ruleOfStation, isGated } from '../core/job-request.ts';
import { checkName } from '../core/text.ts';
import { readOpenJobsOfDut } from '../store/explain.ts';
import { type Explanation, explainAsked, explainJob } from './explain-job.ts';
import type { Farm } from './farm.ts';
import { type DeviceAsked, getDevice } from './get-device.ts';
import { lineFor } from './instance.ts';

export type StationChecked = Explanation & {
  readonly mayRun: boolean;
  readonly deviceId: number;
  /** The DUT's open job of the station. Null: none is enqueued, and the answer is for one that would be. */
  readonly jobId: number | null;
};

/**
 * What explain-job says of the DUT's job there; without one, what it would say of a job without constraints. Read at
 * leisure: it may be a moment old, and nothing is reserved by it.
 * @throws Refusal NOT_FOUND; INVALID, also for a serial of two DUTs and a station that the line does not declare.
 */
export const checkStation = async (
  farm: Farm,
  asked: DeviceAsked & { readonly station: string },
): Promise<StationChecked> => {
  const { instance, station } = asked;
  const line = lineFor(farm, instance);
  checkName('The station', station, farm.limits.text.nameBytesMax);
  const rule = ruleOfStation(line, station);
  const { id: deviceId } = await getDevice(farm, asked);
  const open = await readOpenJobsOfDut(farm.pool, deviceId);
  const own = open.find((job) => job.station === station);
  if (own !== undefined) return toChecked(await explainJob(farm, { instance, id: own.id }), deviceId, own.id);
  const explained = await explainAsked(farm, { ...NEW_JOB, instance, deviceId });
  const first = `No job of station '${station}' is enqueued for DUT ${deviceId}. `;
  const before = open.map((job) => `${job.id} (${job.station})`);
  if (explained.code === 'RUNNABLE' && before.length > 0) {
    const words = `${first}One that is enqueued now comes after job ${before.join(', ')} of the same DUT.`;
    return { ...toChecked({ ...explained, code: 'DUT_BUSY', words }, deviceId, null), mayRun: false };
  }
  const gate = isGated(line, rule) ? ' The shopfloor is asked for leave first.' : '';
  return toChecked({ ...explained, words: first + explained.words + gate }, deviceId, null);
};

/** As it would be enqueued, with every default. */
const NEW_JOB = {
  state: 'QUEUED',
  heldBy: null,
  heldReason: null,
  reason: null,
  constraints: [],
  requestedBotId: null,
  avoidedBots: [],
  botId: null,
  lease: null,
} as const;

const toChecked = (explained: Explanation, deviceId: number, jobId: number | null): StationChecked => ({
  ...explained,
  mayRun: explained.code === 'RUNNABLE',
  deviceId,
  jobId,
});
