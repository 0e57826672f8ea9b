/**
 * Stations that a DUT runs by itself: what one of its shopfloor calls means for the job of that station. The job has a lease that is
 * no bot's; the calls open, feed and close it (ARCHITECTURE, The bridge).
 */
import type { OpenLeaseState } from './lease.ts';
import type { Line } from './line.ts';
import type { OwedCall } from './shopfloor-call.ts';

/** Of software that names no others. */
const STOCK_STATIONS: ReadonlySet<string> = new Set(['SMT', 'FAT', 'RUNIN', 'FFT', 'GRT']);

/**
 * Factories also send NotifyStart to say other things: lights, rework. Such a name is no station, and its calls belong to no
 * attempt. A line that names its stations means these, any other the stock ones.
 */
export const isStation = ({ stations }: Pick<Line, 'stations'>, name: string): boolean =>
  stations.size === 0 ? STOCK_STATIONS.has(name) : stations.has(name);

/** What has a DUT now. */
export type OpenWork = {
  readonly deviceId: number;
  readonly leaseId: string;
  readonly jobId: number;
  readonly station: string;
  readonly state: OpenLeaseState;
  readonly botId: string;
  /** No bot has it: the DUT runs it by itself. */
  readonly isExternal: boolean;
};

/** The newest call of the DUT about the same: method, and station, test or event. */
export type ToldBefore = {
  readonly callId: string;
  readonly leaseId: string | null;
  /** Status and details too. */
  readonly saysTheSame: boolean;
  readonly isSettled: boolean;
  /** That it has met so far. */
  readonly faults: number;
  /** The lane has no later call. */
  readonly isLast: boolean;
  /** No attempt began after it. */
  readonly isCurrent: boolean;
};

/** `repeat`: it was made before; null: and no shopfloor was told. `no attempt`: it is only passed on. */
export type CallMeaning =
  | { readonly kind: 'repeat'; readonly callId: string | null }
  | { readonly kind: 'refused'; readonly holder: OpenWork }
  | { readonly kind: 'opens'; readonly instead: OpenWork | null }
  | { readonly kind: 'feeds' | 'passes' | 'fails'; readonly work: OpenWork }
  | { readonly kind: 'no attempt' };

const NO_ATTEMPT: CallMeaning = { kind: 'no attempt' };

/**
 * DUTs repeat calls, by themselves and when their operator says so, long after the first was taken: what says the same is the
 * same call, and has no second effect.
 */
export const meaningOf = (
  call: Pick<OwedCall, 'method' | 'station' | 'testId' | 'status'>,
  given: { readonly open: OpenWork | null; readonly told: ToldBefore | null; readonly isStation: boolean },
): CallMeaning => {
  const { open, told } = given;
  const ofNone = (): CallMeaning => (isRepeat(told) ? { kind: 'repeat', callId: told.callId } : NO_ATTEMPT);
  if (call.method === 'NotifyEvent') return ofNone();
  if (call.method !== 'UpdateTestResult' && !given.isStation) return ofNone();
  if (open !== null && !open.isExternal) return { kind: 'refused', holder: open };
  if (call.method === 'NotifyStart') {
    if (open?.station !== call.station) return { kind: 'opens', instead: open };
    return { kind: 'repeat', callId: told?.leaseId === open.leaseId ? told.callId : null };
  }
  if (call.method === 'NotifyEnd') return open?.station === call.station ? { kind: 'passes', work: open } : ofNone();
  if (open === null || isRepeat(told)) return ofNone();
  return { kind: call.testId === open.station && call.status === 'FAILED' ? 'fails' : 'feeds', work: open };
};

/** Of an attempt: none began since. Of none: it is not told yet, or was the last word. */
const isRepeat = (told: ToldBefore | null): told is ToldBefore =>
  told !== null && told.saysTheSame && (told.leaseId === null ? !told.isSettled || told.isLast : told.isCurrent);
