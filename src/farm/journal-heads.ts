/** Renders the heads of lanes and journals their sends, before the first byte of any leaves (invariant 12). */
import { dottedRecord } from '../core/device-data.ts';
import type { OwedCall } from '../core/shopfloor-call.ts';
import type { DeviceRecord } from '../store/devices.ts';
import { moveLanes, type OwnedLane } from '../store/lanes.ts';
import { type HeadCall, type HeadToSend, journalSends } from '../store/shopfloor-calls.ts';
import type { Queryable } from '../store/transaction.ts';
import type { FarmSeams } from './farm.ts';
import { traceField } from './trace-job.ts';

/** A call in the bytes of its protocol; the farm knows none, so the bridge says how. Pure. */
export type Render = (call: OwedCall, deviceData: Readonly<Record<string, unknown>>) => string;

/** A call to be sent now. It is journalled, and its lane is this replica's under the epoch. */
export type CallToSend = Omit<HeadCall, 'body'> & {
  readonly body: string;
  /** Counts the sends of this call. */
  readonly number: number;
  readonly epoch: number;
  /** Of the shopfloor it goes to. */
  readonly url: string;
};

/** The lanes are locked and owned, and these are their heads. One that cannot be sent: its lane is let go, and tried much later. */
export const journalHeads = async (
  farm: Pick<FarmSeams, 'replica' | 'limits' | 'lineOf' | 'log'>,
  db: Queryable,
  render: Render,
  lanes: readonly OwnedLane[],
  heads: readonly HeadToSend[],
): Promise<CallToSend[]> => {
  const epochs = new Map(lanes.map(({ deviceId, epoch }) => [deviceId, epoch]));
  const ready = heads.flatMap(({ head, record }) => {
    const url = farm.lineOf(head.instance)?.shopfloorUrl ?? null;
    const epoch = epochs.get(head.deviceId);
    const body = head.body ?? rendered(farm, render, head, record);
    return url === null || epoch === undefined || body === null ? [] : [{ ...head, body, url, epoch }];
  });
  const numbers = await journalSends(db, farm.replica, ready);
  const calls = ready.flatMap((call) => {
    const number = numbers.get(call.id);
    return number === undefined ? [] : [{ ...call, number }];
  });
  const sending = new Set(calls.map(({ deviceId }) => deviceId));
  const idle = lanes.filter(({ deviceId }) => !sending.has(deviceId));
  await letGo(db, farm, idle);
  return calls;
};

/** Null: a bug of ours. It must not keep the other lanes of the commit from their calls. */
const rendered = (
  farm: Pick<FarmSeams, 'log'>,
  render: Render,
  { body: _body, ...head }: HeadCall,
  record: DeviceRecord | null,
): string | null => {
  try {
    if (record === null) throw new Error(`device ${String(head.deviceId)} has no record`);
    // What the DUT said goes before what is remembered of it.
    return render(head, { ...dottedRecord(record), ...head.said });
  } catch (cause) {
    const about = { call: head.id, method: head.method, ...traceField(head) };
    farm.log.error({ err: cause, ...about }, 'a shopfloor call cannot be rendered');
    return null;
  }
};

const letGo = async (db: Queryable, farm: Pick<FarmSeams, 'limits'>, lanes: readonly OwnedLane[]): Promise<void> => {
  if (lanes.length === 0) return;
  const { leaseMs, backoffMaxMs } = farm.limits.lanes;
  const steps = lanes.map(({ deviceId }) => ({
    deviceId,
    advances: false,
    blocks: false,
    keeps: false,
    waitMs: backoffMaxMs,
  }));
  await moveLanes(db, steps, leaseMs);
};
