/** One step of a job at its gate, in memory; the caller's ledger writes it. */
import { farmEvent, type FarmEventKind } from '../core/farm-event.ts';
import { type GateEvent, gateStateOf, gateTable } from '../core/gate.ts';
import { ruleOf } from '../core/line.ts';
import { callsOfEnd } from '../core/shopfloor-call.ts';
import type { JobRow } from '../store/jobs.ts';
import type { FarmSeams } from './farm.ts';
import type { Ledger } from './ledger.ts';

const eventKinds: Readonly<Record<GateEvent, FarmEventKind>> = {
  ASKED: 'JOB_HELD',
  ANSWERED: 'GATE_CLEARED',
  FAULTED: 'GATE_REFUSED',
  UNASKED: 'GATE_REFUSED',
  LAPSED: 'GATE_LAPSED',
  RETRIED: 'JOB_HELD',
  OVERRIDDEN: 'GATE_OVERRIDDEN',
};

/**
 * Takes the step. False: the job is at no gate, or not where this could happen; nothing changed.
 * @param step.words why it is held now, or on whose word it may run.
 */
export const moveGate = (
  seams: Pick<FarmSeams, 'limits'>,
  ledger: Ledger,
  job: JobRow,
  step: { readonly event: GateEvent; readonly words: string },
): boolean => {
  const from = gateStateOf(job);
  const to = from === null ? 'moot' : gateTable[from][step.event];
  if (to === 'moot') return false;
  const isCleared = to === 'CLEARED';
  job.heldBy = isCleared ? null : to;
  job.heldReason = isCleared ? null : step.words;
  job.gateClearedUntil = isCleared ? new Date(ledger.now.getTime() + seams.limits.jobs.gateClearedMs) : null;
  ledger.changedJobs.add(job);
  const { id: jobId, instance, deviceId, station } = job;
  const facts = { station, heldBy: job.heldBy, words: step.words };
  ledger.events.push(farmEvent(eventKinds[step.event], instance, { jobId, deviceId, facts }));
  ledger.wakes.push({ kind: 'job', id: jobId });
  // Whatever moved, another job of the DUT may have its turn now, or this one a bot.
  if (to !== 'GATE' && deviceId !== null) ledger.wakes.push({ kind: 'device', id: deviceId });
  return true;
};

/** The shopfloor said yes to a start that never came: it is told that the attempt is over. */
export const oweClosing = (
  seams: Pick<FarmSeams, 'lineOf' | 'newId'>,
  ledger: Ledger,
  start: {
    readonly instance: string;
    readonly station: string;
    readonly deviceId: number;
    readonly jobId: number;
    readonly attempt: number;
  },
  why: string,
): void => {
  const line = seams.lineOf(start.instance);
  if (line === null) return;
  const { station, ...place } = start;
  for (const call of callsOfEnd(ruleOf(line, station) ?? line.anyStation, station, null, why)) {
    ledger.calls.push({ ...call, ...place, id: seams.newId(), leaseId: null });
  }
};
