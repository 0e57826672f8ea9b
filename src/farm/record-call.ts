/**
 * What became of sends: the journal, the calls, the lanes, and what the shopfloor said. The next call of each lane is
 * journalled in the same commit, and the lanes of many DUTs share it.
 */
import { backoffMs } from '../core/backoff.ts';
import type { DroppedKey } from '../core/device-data.ts';
import { farmEvent, type FarmEventKind } from '../core/farm-event.ts';
import { Refusal } from '../core/refusal.ts';
import { type CallStep, type SendOutcome, stepCall } from '../core/send-outcome.ts';
import { lockJobs } from '../store/jobs.ts';
import { type LaneStep, lockOwnedLanes, moveLanes } from '../store/lanes.ts';
import { isOutage } from '../store/outage.ts';
import { readHeads, recordSends } from '../store/shopfloor-calls.ts';
import type { Queryable } from '../store/transaction.ts';
import { actOnReply } from './act-on-reply.ts';
import { answerGates } from './answer-gates.ts';
import { type Batcher, createBatcher, tooBusy } from './batcher.ts';
import { type Farm, transact } from './farm.ts';
import { type CallToSend, journalHeads, type Render } from './journal-heads.ts';
import { announce, type Ledger, openLedger, writeLedger } from './ledger.ts';
import { type DeviceReply, lockForMerge, mergeDeviceData } from './merge-device-data.ts';
import { outageRefusal } from './outage.ts';
import { traceField } from './trace-job.ts';

/** What a shopfloor answered without a fault, freed of what no device may see. */
export type Reply = {
  readonly deviceData: Readonly<Record<string, unknown>>;
  readonly dropped: readonly DroppedKey[];
  readonly action: string | null;
  /** The answer as it is kept for people: JSON, small, registration codes redacted. */
  readonly answer: unknown;
};

export type SendEnd = {
  readonly call: CallToSend;
  readonly outcome: SendOutcome;
  /** Of a fault; null otherwise. */
  readonly code: number | null;
  /** Of a fault or an outage; null otherwise. */
  readonly words: string | null;
  /** Null: none came. */
  readonly reply: Reply | null;
  /** For how long the shopfloor has been up, as far as the sender knows; Infinity: it knows of no outage. */
  readonly upForMs: number;
  /** The sender wants the lane's next call; otherwise the lane is let go. */
  readonly goesOn: boolean;
};

/**
 * `let go`: the lane is nobody's; the call goes again after `waitMs`, null: it is settled, or needs an operator.
 * `fenced`: the lane has another owner by now, and nothing was changed.
 */
export type Recorded =
  | { readonly kind: 'next'; readonly call: CallToSend }
  | { readonly kind: 'let go'; readonly waitMs: number | null }
  | { readonly kind: 'fenced' };

/**
 * Records one send. Waits and tries again while the database is away or busy, until the signal; then, as after a bug of
 * ours, the lane is left to whoever takes it when its time is over, and the send counts as ambiguous.
 */
export type CallRecorder = (end: SendEnd, signal: AbortSignal) => Promise<Recorded>;

/** Records of many lanes share a commit; one that fails, fails alone. One for each replica. */
export const createCallRecorder = (farm: Farm, render: Render): CallRecorder => {
  const { flushRowsMax, flushWaitingMax } = farm.limits.replica;
  const batcher = createBatcher<SendEnd, Recorded>({
    run: (ends) => recordCalls(farm, render, ends),
    rowsMax: flushRowsMax,
    waitingMax: flushWaitingMax,
    onFull: () => tooBusy('shopfloor calls', flushWaitingMax),
    isOutage,
  });
  return async (end, signal) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await batcher.push(end);
      } catch (error) {
        if (outageRefusal(error) === null && !(error instanceof Refusal)) return recordBare(farm, batcher, end, error);
        if (signal.aborted) return { kind: 'fenced' };
        await farm.clock.sleep(backoffMs(tries, farm.limits.lanes, farm.random()), signal);
      }
    }
  };
};

/** No answer of a partner can fail a farm transaction (invariant 15): what it said is left out, that it answered is not. */
const recordBare = async (
  farm: Farm,
  batcher: Batcher<SendEnd, Recorded>,
  end: SendEnd,
  cause: unknown,
): Promise<Recorded> => {
  const { id, method } = end.call;
  const trace = traceField(end.call);
  farm.log.error(
    { err: cause, call: id, method, ...trace },
    'the answer to a shopfloor call could not be taken in; it is left out',
  );
  try {
    return await batcher.push({ ...end, reply: null });
  } catch (error) {
    farm.log.error(
      { err: error, call: id, method, ...trace },
      'a send of a shopfloor call could not be recorded; its lane waits',
    );
    return { kind: 'fenced' };
  }
};

type Step = { readonly end: SendEnd; readonly step: CallStep; readonly waitMs: number | null };

/** Of the ends of one lane at most one is owned: it has one call under way. The others are of epochs that are over. */
const recordCalls = async (farm: Farm, render: Render, ends: readonly SendEnd[]): Promise<readonly Recorded[]> => {
  const done = await transact(farm, async (db) => {
    const replies = ends.flatMap(replyOf);
    const jobIds = ends.flatMap(({ call }) => (call.gate && call.jobId !== null ? [call.jobId] : []));
    const jobs = jobIds.length === 0 ? [] : await lockJobs(db, { jobIds, sessionNames: [] });
    const acting = ends.flatMap(({ call, reply }) => (reply === null || reply.action === null ? [] : [call.deviceId]));
    await lockForMerge(db, replies, acting);
    const fence = await lockOwnedLanes(
      db,
      farm.replica,
      ends.map(({ call }) => call),
    );
    // By epoch, not by lane alone: a replica that took a lane again may still be trying to record what it sent before.
    const owned = ends.filter(({ call }) => fence.epochs.get(call.deviceId) === call.epoch);
    const steps = owned.map((end) => toStep(farm, end));
    const ledger = openLedger(fence.now, { jobs });
    await takeReplies(farm, db, ledger, steps);
    await answerGates(farm, db, ledger, steps.flatMap(gateAnswerOf));
    const [, , kept] = await Promise.all([
      recordSends(db, steps.map(endedSend)),
      writeLedger(db, ledger),
      moveLanes(db, steps.map(toMove), farm.limits.lanes.leaseMs),
    ]);
    const going = steps.flatMap(({ end: { call } }) => (kept.has(call.deviceId) ? [call] : []));
    const heads = await readHeads(
      db,
      going.map(({ deviceId }) => deviceId),
    );
    const next = await journalHeads(farm, db, render, going, heads);
    return { ledger, steps, next: new Map(next.map((call) => [call.deviceId, call])) };
  });
  announce(done.ledger, farm);
  const recorded = new Map(
    done.steps.map(({ end, waitMs }): [SendEnd, Recorded] => {
      const call = done.next.get(end.call.deviceId);
      return [end, call === undefined ? { kind: 'let go', waitMs } : { kind: 'next', call }];
    }),
  );
  return ends.map((end) => recorded.get(end) ?? { kind: 'fenced' });
};

const toStep = (farm: Farm, end: SendEnd): Step => {
  const { lanes } = farm.limits;
  const step = stepCall(end, end.call, lanes.faultsMax);
  const waitMs = step.lane === 'wait' ? backoffMs(end.call.number, lanes, farm.random()) : null;
  return { end, step, waitMs };
};

const replyOf = ({ call, reply }: SendEnd): DeviceReply[] => {
  if (reply === null || Object.keys(reply.deviceData).length === 0) return [];
  const { instance, deviceId, jobId } = call;
  return [{ instance, deviceId, jobId, deviceData: reply.deviceData }];
};

/** Records merged, actions taken, events told. */
const takeReplies = async (farm: Farm, db: Queryable, ledger: Ledger, steps: readonly Step[]): Promise<void> => {
  const merging = steps.filter(({ end }) => replyOf(end).length > 0);
  const left = await mergeDeviceData(
    farm,
    db,
    ledger,
    merging.flatMap(({ end }) => replyOf(end)),
  );
  const leftOut = new Map(merging.map(({ end }, index) => [end, left[index] ?? []]));
  for (const { end, step } of steps) {
    const dropped = [...(end.reply?.dropped ?? []), ...(leftOut.get(end) ?? [])];
    tell(farm, ledger, { end, step }, dropped);
    // Only a reply to a test result steers the unit; elsewhere the word is recorded with the call, and no more.
    const action = end.reply?.action ?? null;
    if (end.call.method === 'UpdateTestResult' && action !== null) {
      await actOnReply(farm, db, ledger, { ...end.call, action });
    }
  }
};

/** Offending keys that an event names; a reply may hold thousands. */
const DROPPED_TOLD_MAX = 5;

const tell = (
  farm: Farm,
  ledger: Ledger,
  { end, step }: Pick<Step, 'end' | 'step'>,
  dropped: readonly DroppedKey[],
): void => {
  if (end.call.said !== null) ledger.wakes.push({ kind: 'call', id: end.call.id });
  const kind: FarmEventKind | null =
    step.state === 'DELIVERED' ? 'CALL_DELIVERED' : step.state === 'DEAD' ? 'CALL_DEAD' : null;
  const { id, instance, jobId, leaseId, deviceId, method, station, testId } = end.call;
  if (dropped.length > 0) {
    farm.log.warn(
      { call: id, instance, method, ...traceField(end.call), dropped: told(dropped) },
      'keys of a shopfloor answer were left out',
    );
  }
  if (kind === null) return;
  const why = { words: end.words, dropped: dropped.length === 0 ? null : told(dropped) };
  const facts = { call: id, method, station, testId, sends: end.call.number, ...why };
  ledger.events.push(farmEvent(kind, instance, { jobId, leaseId, deviceId, facts }));
  if (kind === 'CALL_DEAD' && jobId !== null) ledger.wakes.push({ kind: 'job', id: jobId });
  if (kind !== 'CALL_DELIVERED') return;
  const owedMs = Math.min(ledger.now.getTime() - end.call.owedAt.getTime(), end.upForMs);
  ledger.tell.push((witness) => {
    witness.delivered({ instance, owedMs });
  });
};

const told = (dropped: readonly DroppedKey[]): string =>
  dropped
    .slice(0, DROPPED_TOLD_MAX)
    .map(({ key, why }) => `${key} ${why}`)
    .concat(dropped.length > DROPPED_TOLD_MAX ? [`and ${String(dropped.length - DROPPED_TOLD_MAX)} more`] : [])
    .join('; ');

const gateAnswerOf = ({ end: { call, words }, step }: Step): Parameters<typeof answerGates>[3] => {
  const { id: callId, gate, jobId, instance, deviceId, station, attempt } = call;
  if (!gate || jobId === null) return [];
  return [{ callId, jobId, instance, deviceId, station, attempt, state: step.state, words: words ?? '' }];
};

const endedSend = ({ end, step }: Step): Parameters<typeof recordSends>[1][number] => ({
  callId: end.call.id,
  number: end.call.number,
  outcome: end.outcome,
  words: end.words,
  state: step.state,
  faults: step.faults,
  answer: end.reply?.answer ?? null,
  action: end.reply?.action ?? null,
});

const toMove = ({ end, step, waitMs }: Step): LaneStep => ({
  deviceId: end.call.deviceId,
  advances: step.lane === 'advance',
  blocks: step.lane === 'block',
  keeps: step.lane === 'advance' && end.goesOn,
  waitMs: waitMs ?? 0,
});
