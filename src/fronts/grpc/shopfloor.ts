/** stationgrid.v1.Shopfloor: what those call who watch over what the partner is told. */
import { invalid } from '../../core/refusal.ts';
import type { CallState } from '../../core/send-outcome.ts';
import type { Farm } from '../../farm/farm.ts';
import { type CallView, getCall, listCalls } from '../../farm/list-calls.ts';
import { type LaneView, listLanes } from '../../farm/list-lanes.ts';
import { listReconciliation, type ReconciliationEntry, type Restore } from '../../farm/list-reconciliation.ts';
import { resumeBridge } from '../../farm/resume-bridge.ts';
import { retryCall } from '../../farm/retry-call.ts';
import { skipCall } from '../../farm/skip-call.ts';
import {
  type Call,
  CallState as CallStateNumber,
  type Lane,
  type Reconciliation,
  type Restore as RestoreMessage,
  type ShopfloorService,
} from '../../gen/stationgrid/v1/shopfloor.ts';
import type { HandlersOf } from './endpoints.ts';
import { idOf, textOrNull } from './convert-ids.ts';
import { timestampOf, timestampOrUnset } from './convert-time.ts';

export const createShopfloor = (farm: Farm): HandlersOf<ShopfloorService> => ({
  listCalls: async ({ instance, states, serial, jobId, pageSize, pageToken }) => {
    const { calls, nextPageToken } = await listCalls(farm, {
      instance,
      states: states.map(stateOf),
      serial: textOrNull(serial),
      jobId: jobId === 0n ? null : idOf('job', jobId),
      pageSize,
      pageToken,
    });
    return { calls: calls.map(callMessageOf), nextPageToken };
  },
  listLanes: async (asked) => {
    const { lanes, nextPageToken } = await listLanes(farm, asked);
    return { lanes: lanes.map(laneMessageOf), nextPageToken };
  },
  retryCall: async (call) => {
    await retryCall(farm, call);
    return callMessageOf(await getCall(farm, call));
  },
  skipCall: async (call) => {
    await skipCall(farm, call);
    return callMessageOf(await getCall(farm, call));
  },
  listReconciliation: async (asked) => {
    const { restore, entries, nextPageToken } = await listReconciliation(farm, asked);
    return {
      restore: restore === null ? undefined : restoreMessageOf(restore),
      entries: entries.map(reconciliationMessageOf),
      nextPageToken,
    };
  },
  resumeBridge: async (asked) => restoreMessageOf(await resumeBridge(farm, asked)),
});

const numberOf: Readonly<Record<CallState, CallStateNumber>> = {
  OWED: CallStateNumber.OWED,
  DELIVERED: CallStateNumber.DELIVERED,
  GATE_REFUSED: CallStateNumber.GATE_REFUSED,
  DEAD: CallStateNumber.DEAD,
  SKIPPED: CallStateNumber.CALL_SKIPPED,
};
const stateBy: ReadonlyMap<number, CallState> = new Map<number, CallState>([
  [CallStateNumber.OWED, 'OWED'],
  [CallStateNumber.DELIVERED, 'DELIVERED'],
  [CallStateNumber.GATE_REFUSED, 'GATE_REFUSED'],
  [CallStateNumber.DEAD, 'DEAD'],
  [CallStateNumber.CALL_SKIPPED, 'SKIPPED'],
]);

const stateOf = (state: number): CallState => {
  const known = stateBy.get(state);
  if (known === undefined) throw invalid('CALL_STATE', `There is no call state ${state}. Use those of CallState.`);
  return known;
};

export const callMessageOf = (call: CallView): Call => ({
  id: call.id,
  instance: call.instance,
  deviceId: BigInt(call.deviceId),
  position: BigInt(call.position),
  method: call.method,
  station: call.station,
  testId: call.testId ?? '',
  status: call.status ?? '',
  event: call.event ?? '',
  jobId: BigInt(call.jobId ?? 0),
  attempt: call.attempt,
  state: numberOf[call.state],
  sends: call.sends,
  faults: call.faults,
  lastError: call.lastError ?? '',
  possiblyDuplicated: call.possiblyDuplicated,
  createTime: timestampOf(call.owedAt),
  settleTime: timestampOrUnset(call.settledAt),
  nextAttemptTime: timestampOrUnset(call.nextSendAt),
  skipReason: call.skipReason ?? '',
});

const laneMessageOf = ({ instance, deviceId, serial, owed, head, blocked }: LaneView): Lane => ({
  instance,
  deviceId: BigInt(deviceId),
  serial,
  owed: BigInt(owed),
  head: head === null ? undefined : callMessageOf(head),
  blocked,
});

const restoreMessageOf = (restore: Restore): RestoreMessage => ({
  number: restore.number,
  cause: restore.cause,
  noticeTime: timestampOf(restore.noticedAt),
  lastFactTime: timestampOrUnset(restore.lastFactAt),
  jobIdsSkippedFrom: BigInt(restore.jobIdsSkippedFrom),
  jobIdsSkipped: BigInt(restore.jobIdsSkipped),
});

const reconciliationMessageOf = ({ lastTold, nextOwed, ...entry }: ReconciliationEntry): Reconciliation => ({
  instance: entry.instance,
  deviceId: BigInt(entry.deviceId),
  serials: entry.serials,
  cause: entry.cause,
  owed: BigInt(entry.owed),
  lastTold: lastTold === null ? undefined : callMessageOf(lastTold),
  nextOwed: nextOwed === null ? undefined : callMessageOf(nextOwed),
});
