/** Puts test results on record: the one place that decides which count, which are stale, and which find no room. */
import { findsRoom, noRoomFor, type OnRecord, resultBytes } from '../core/result-room.ts';
import type { Limits } from '../core/limits.ts';
import type { Refusal } from '../core/refusal.ts';
import { type OwedCall, callOfResult } from '../core/shopfloor-call.ts';
import { detailsOf, saysTheSame, type TestResult } from '../core/test-result.ts';
import type { LeaseRow } from '../store/leases.ts';
import type { StoredResult } from '../store/test-results.ts';
import { type AttemptRecord, enterResult, type Ledger, recordOf } from './ledger.ts';

export type ResultCounts = {
  readonly stored: number;
  readonly repeated: number;
  /** Contradictions and late ones, kept as far as there is room for such. */
  readonly stale: number;
};

export type Kept = ResultCounts & {
  /** Would have counted, and found no room. */
  readonly left: number;
};

/** Whose results they are, where the calls go that they owe, and the tests of which FAILED_AND_WAIVED counts as passed. */
export type ResultsOf = {
  readonly lease: LeaseRow;
  readonly owe: (calls: readonly OwedCall[]) => void;
  readonly waivable: ReadonlySet<string>;
};

/** First results stand and are owed to the shopfloor; contradictions and late ones are kept as stale. */
export const keepResults = (
  limits: Limits,
  ledger: Ledger,
  { lease, owe, waivable }: ResultsOf,
  results: readonly TestResult[],
  isLate: boolean,
): Kept => {
  const record = recordOf(ledger, lease.id);
  const counts = { stored: 0, repeated: 0, stale: 0, left: 0 };
  for (const result of results) {
    const known = record.standing.get(result.testId);
    if (known !== undefined && repeats(known, result)) {
      counts.repeated += 1;
      continue;
    }
    const stale = isLate || known !== undefined;
    // No verdict is better for want of room.
    const told = { result, stale, bytes: resultBytes(result) };
    const isKept = (!stale && tipsVerdict(record, result, waivable)) || findsRoom(sizeOf(record), told, limits);
    if (isKept) enter(ledger, lease, told);
    if (stale) counts.stale += 1;
    else if (!isKept) counts.left += 1;
    else {
      counts.stored += 1;
      owe([callOfResult(lease.station, { testId: result.testId, status: result.status, details: detailsOf(result) })]);
    }
  }
  return counts;
};

/** Why these cannot be taken from who may yet be told so; null: they can. What contradicts, and will not count, is no reason. */
export const refusalOf = (
  limits: Limits,
  ledger: Ledger,
  lease: LeaseRow,
  results: readonly TestResult[],
): Refusal | null => {
  const record = recordOf(ledger, lease.id);
  const fresh = new Map<string, TestResult>();
  for (const result of results) {
    const { testId } = result;
    if (!record.standing.has(testId) && !fresh.has(testId)) fresh.set(testId, result);
  }
  return noRoomFor([...fresh.values()], sizeOf(record), limits);
};

/** Keeps what comes after the end. False: there is no room for it. */
export const keepStale = (limits: Limits, ledger: Ledger, lease: LeaseRow, result: TestResult): boolean => {
  const told = { result, stale: true, bytes: resultBytes(result) };
  if (!findsRoom(sizeOf(recordOf(ledger, lease.id)), told, limits)) return false;
  enter(ledger, lease, told);
  return true;
};

type Told = { readonly result: TestResult; readonly stale: boolean; readonly bytes: number };

const enter = (ledger: Ledger, { id: leaseId, jobId, attempt }: LeaseRow, { bytes, ...told }: Told): void => {
  const row = { leaseId, testId: told.result.testId, status: told.result.status, ...told };
  ledger.results.push({ jobId, attempt, ...row });
  enterResult(ledger, { ...row, bytes });
};

/** What was said of the test before says the same. */
export const repeats = (known: StoredResult, result: TestResult): boolean => {
  if (known.result === null) throw new Error(`what was said of test ${known.testId} before was not read`);
  return saysTheSame(known.result, result);
};

const sizeOf = ({ standing, standingBytes, stale, staleBytes }: AttemptRecord): OnRecord => ({
  standing: { count: standing.size, bytes: standingBytes },
  stale: { count: stale, bytes: staleBytes },
});

/** The first that makes the verdict FAILED. */
const tipsVerdict = ({ standing }: AttemptRecord, result: TestResult, waivable: ReadonlySet<string>): boolean =>
  isBad(result, waivable) && ![...standing.values()].some((known) => isBad(known, waivable));

const isBad = ({ testId, status }: Pick<TestResult, 'testId' | 'status'>, waivable: ReadonlySet<string>): boolean =>
  status === 'FAILED' || (status === 'FAILED_AND_WAIVED' && !waivable.has(testId));
