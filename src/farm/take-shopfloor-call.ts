/**
 * A shopfloor call that a DUT makes by itself, through the factory door. It is decided and put into the DUT's lane in one
 * transaction, like what a bot reports. For the shopfloor's answer the DUT waits afterwards: await-call.ts.
 */
import { isStation, meaningOf, type CallMeaning, type OpenWork } from '../core/external-job.ts';
import { farmEvent } from '../core/farm-event.ts';
import { hasShopfloor, type Line } from '../core/line.ts';
import { invalid, Refusal } from '../core/refusal.ts';
import type { OwedCall } from '../core/shopfloor-call.ts';
import { bytesOf, checkJson, checkName, checkText, storableText } from '../core/text.ts';
import type { TestResult } from '../core/test-result.ts';
import type { Serial } from '../store/devices.ts';
import { appendEvents, CLOCK_BACK_MAX_MS } from '../store/farm-events.ts';
import { hurryCall, readHold, readOpenWork, readToldBefore } from '../store/external-jobs.ts';
import { readFarmNow } from '../store/gates.ts';
import { lockJobs } from '../store/jobs.ts';
import { type LeaseRow, lockOpenLeases } from '../store/leases.ts';
import { readResults } from '../store/test-results.ts';
import type { Queryable } from '../store/transaction.ts';
import type { AwaitedCall } from './await-call.ts';
import {
  breakExternalJob,
  endExternalJob,
  feedExternalJob,
  keepAlive,
  leaseOf,
  openExternalJob,
} from './external-job.ts';
import { type Farm, transact } from './farm.ts';
import { lineFor } from './instance.ts';
import { knowDut } from './know-dut.ts';
import { announce, type Ledger, openLedger, writeLedger, writeRows } from './ledger.ts';
import { lockForMerge, mergeDeviceData } from './merge-device-data.ts';
import { traceparentOfCall } from './trace-job.ts';

export type TakenCall = {
  readonly instance: string;
  readonly call: OwedCall;
  /** FactoryDeviceData, free of registration codes. */
  readonly said: Readonly<Record<string, unknown>>;
  /** An address. */
  readonly peer: string;
};

/**
 * Returns what to wait for; null: the shopfloor is told nothing.
 * @throws Refusal INVALID for what cannot be told on; WRONG_STATE when a bot has the DUT, or it is held; UNAVAILABLE. In the
 * order in which calls of one DUT are taken they reach the shopfloor.
 */
export const takeShopfloorCall = async (farm: Farm, taken: TakenCall): Promise<Omit<AwaitedCall, 'sinceMs'> | null> => {
  const line = lineFor(farm, taken.instance);
  const serials = checkTaken(farm, taken);
  const deviceId = await knowDut(farm, taken.instance, serials);
  for (let tries = 1; tries <= farm.limits.external.crossingsMax; tries += 1) {
    const done = await transact(farm, (db) => take(farm, db, { ...taken, deviceId, serials, line })).catch(
      unlessCrossed,
    );
    if (done === null) continue;
    announce(done.ledger, farm);
    return done.callId === null ? null : { id: done.callId, since: done.since, faults: done.faults };
  }
  throw new Refusal(
    'UNAVAILABLE',
    'DUT_CALLS_CROSS',
    'Other calls about this DUT were always quicker than this one. Nothing was done; call again in a moment.',
  );
};

/** The serials that it names. @throws Refusal INVALID. */
const checkTaken = ({ limits }: Farm, { call, said }: TakenCall): readonly Serial[] => {
  const { nameBytesMax } = limits.text;
  for (const [what, text] of [
    ['The test id', call.testId],
    ['The event', call.event],
    ['The station', call.method === 'UpdateTestResult' || call.method === 'NotifyEvent' ? null : call.station],
  ] as const) {
    if (text !== null) checkName(what, text, nameBytesMax);
  }
  const told = { ...said, details: call.details };
  checkJson('the call', told, limits.devices.recordBytesMax);
  if (bytesOf(JSON.stringify(told)) > limits.devices.recordBytesMax) {
    const words = `The data and details of this ${call.method} have more than ${String(limits.devices.recordBytesMax)} bytes. Send less.`;
    throw invalid('CALL_TOO_BIG', words);
  }
  const serials = serialsOf(said);
  if (serials.length === 0) {
    throw invalid(
      'NO_SERIAL',
      `The data of this ${call.method} names no serial number, so nobody knows which DUT it is about.`,
    );
  }
  if (serials.length > limits.devices.serialsMax) {
    throw invalid(
      'TOO_MANY_SERIALS',
      `The data names ${String(serials.length)} serials; at most ${String(limits.devices.serialsMax)} are allowed.`,
    );
  }
  for (const { name, value } of serials) {
    checkText('The name of a serial', name, nameBytesMax);
    checkText(name, value, nameBytesMax);
  }
  return serials;
};

/** As the client that runs after a wipe names the serial number of the device. */
const BARE_SERIAL = 'serial_number';

export const serialsOf = (said: TakenCall['said']): readonly Serial[] => {
  const named = Object.entries(said).flatMap(([key, value]): Serial[] => {
    if (typeof value !== 'string' || value === '') return [];
    if (key === BARE_SERIAL) return [{ name: `serials.${BARE_SERIAL}`, value }];
    return key.startsWith('serials.') ? [{ name: key, value }] : [];
  });
  return [...new Map(named.map((serial) => [JSON.stringify(serial), serial])).values()];
};

/** What of it is to be remembered of the unit. */
const recordOf = (said: TakenCall['said'], serials: readonly Serial[]): Readonly<Record<string, unknown>> => ({
  ...Object.fromEntries(Object.entries(said).filter(([key]) => key !== BARE_SERIAL && !key.startsWith('serials.'))),
  ...Object.fromEntries(serials.map(({ name, value }) => [name, value])),
});

/** A bot or another call has changed what has the DUT since it was looked at: nothing is kept of this try. */
class Crossed extends Error {}

const unlessCrossed = (error: unknown): null => {
  if (error instanceof Crossed) return null;
  throw error;
};

type Taking = TakenCall & { readonly deviceId: number; readonly serials: readonly Serial[]; readonly line: Line };
type Done = {
  readonly ledger: Ledger;
  readonly callId: string | null;
  /** The call was not settled before. */
  readonly since: Date;
  readonly faults: number;
};

/** In lock order: the job of the DUT, its lease, the DUT, its lane. */
const take = async (farm: Farm, db: Queryable, taking: Taking): Promise<Done> => {
  const { instance, call, said, serials, deviceId } = taking;
  const [seen = null] = await readOpenWork(db, [deviceId]);
  const jobIds = seen?.isExternal === true ? [seen.jobId] : [];
  const jobs = jobIds.length === 0 ? [] : await lockJobs(db, { jobIds, sessionNames: [] });
  const leases = jobIds.length === 0 ? [] : await lockOpenLeases(db, { jobIds, sessionNames: [] });
  const reply = { instance, deviceId, jobId: null, deviceData: recordOf(said, serials) };
  await lockForMerge(db, [reply], [deviceId]);
  const [open = null] = await readOpenWork(db, [deviceId]);
  if (open?.leaseId !== seen?.leaseId) throw new Crossed();
  const now = await readFarmNow(db);
  const since = rememberedSince(farm, now, leases);
  const told = await readToldBefore(db, { deviceId, call, since });
  const meaning = meaningOf(call, { open, told, isStation: isStation(taking.line, call.station) });
  if (meaning.kind === 'refused') throw botHasIt(call, meaning.holder);
  if (meaning.kind === 'opens') await refuseHeld(db, deviceId);
  const results = await readResults(db, leases, [testOf(call)]);
  const ledger = openLedger(now, { jobs, leases, results });
  await mergeDeviceData(farm, db, ledger, [reply]);
  const lease = await apply(farm, db, ledger, { ...taking, meaning });
  const callId = meaning.kind === 'repeat' ? meaning.callId : owe(farm, ledger, { ...taking, lease });
  await writeLedger(db, ledger);
  if (meaning.kind === 'repeat' && callId !== null) await hurry(db, ledger, { id: callId, deviceId, instance });
  return { ledger, callId, since, faults: meaning.kind === 'repeat' ? (told?.faults ?? 0) : 0 };
};

/** What the DUT said since then may be said again; all of an attempt that runs. */
const rememberedSince = ({ limits }: Farm, now: Date, leases: readonly LeaseRow[]): Date => {
  const begun = leases.map(({ grantedAt }) => grantedAt.getTime() - CLOCK_BACK_MAX_MS);
  return new Date(Math.min(now.getTime() - limits.external.rememberedMs, ...begun));
};

/** What the call does to the job of the DUT. Returns the lease that it belongs to; null: to none. */
const apply = async (
  farm: Farm,
  db: Queryable,
  ledger: Ledger,
  given: Taking & { readonly meaning: CallMeaning },
): Promise<LeaseRow | null> => {
  const { meaning, call } = given;
  switch (meaning.kind) {
    case 'repeat':
      for (const lease of ledger.leases.values()) keepAlive(farm, ledger, lease);
      return null;
    case 'refused':
    case 'no attempt':
      return null;
    case 'opens': {
      if (meaning.instead !== null) {
        const why = `the DUT began ${call.station} without having ended ${meaning.instead.station}`;
        breakExternalJob(farm, ledger, leaseOf(ledger, meaning.instead), { event: 'COMPLETED_FAILING', why });
        // The DUT is free for the next lease in the tables, too.
        await writeRows(db, ledger);
      }
      const lease = await openExternalJob(farm, db, ledger, { ...given, station: call.station });
      if (lease === null) throw new Crossed();
      keepAlive(farm, ledger, lease);
      return lease;
    }
    case 'feeds':
    case 'fails':
    case 'passes': {
      const lease = leaseOf(ledger, meaning.work);
      if (meaning.kind === 'feeds') feedExternalJob(farm, ledger, lease, resultOf(farm, call));
      else endExternalJob(farm, ledger, lease, resultOf(farm, call));
      keepAlive(farm, ledger, lease);
      return lease;
    }
  }
};

/** NotifyEnd says that the station passed: a result of the station itself. */
const testOf = ({ station, testId }: Pick<OwedCall, 'station' | 'testId'>): string => testId ?? station;

const resultOf = ({ limits }: Farm, { station, testId, status, details }: OwedCall): TestResult => {
  const words = details?.['error_message'] ?? details?.['error_msg'];
  return {
    testId: testOf({ station, testId }),
    status: status ?? 'PASSED',
    errorMessage: typeof words === 'string' ? storableText(words, limits.text.reasonBytesMax) : '',
    ...{ measurements: [], attachments: [], startedAt: null, durationMs: null, logsTail: '' },
  };
};

/** Null: the line has nobody to tell. */
const owe = (farm: Farm, ledger: Ledger, given: Taking & { readonly lease: LeaseRow | null }): string | null => {
  const { instance, deviceId, lease, call, said, line } = given;
  if (!hasShopfloor(line)) return null;
  const id = farm.newId();
  const job = lease === null ? undefined : ledger.jobs.get(lease.jobId);
  const traceparent = job === undefined || lease === null ? null : traceparentOfCall(job, lease.id);
  const of = { jobId: lease?.jobId ?? null, leaseId: lease?.id ?? null, attempt: lease?.attempt ?? 0, traceparent };
  // A result names no station; its attempt does.
  ledger.calls.push({ ...call, ...of, id, instance, deviceId, station: lease?.station ?? call.station, said });
  return id;
};

const hurry = async (
  db: Queryable,
  ledger: Ledger,
  call: { readonly id: string; readonly deviceId: number; readonly instance: string },
): Promise<void> => {
  const wasDead = await hurryCall(db, call);
  ledger.wakes.push({ kind: 'lanes' });
  if (!wasDead) return;
  const facts = { call: call.id, by: 'its DUT' };
  const event = farmEvent('CALL_RETRIED', call.instance, { deviceId: call.deviceId, facts });
  ledger.events.push(event);
  await appendEvents(db, [event]);
};

const refuseHeld = async (db: Queryable, deviceId: number): Promise<void> => {
  const reason = await readHold(db, deviceId);
  if (reason === null) return;
  const words = `This DUT is held: ${reason}. Release device ${String(deviceId)}, then start again.`;
  throw new Refusal('WRONG_STATE', 'DUT_HELD', words);
};

const botHasIt = (call: OwedCall, { botId, station, jobId }: OpenWork): Refusal =>
  new Refusal(
    'WRONG_STATE',
    'DUT_LEASED',
    `Bot ${botId} runs ${station} on this DUT (job ${String(jobId)}) and tells the shopfloor itself, so this ${call.method} ` +
      'was not taken. Wait until that job has ended, or cancel it.',
  );
