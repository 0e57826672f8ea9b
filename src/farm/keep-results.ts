/** Puts test results on record: the one place that decides which count, which are stale, and which find no room. */
import { findsRoom, noRoomFor, resultBytes } from '../core/result-room.ts';
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

/** Whose results they are, and where the calls go that they owe. */
export type ResultsOf = { readonly lease: LeaseRow; readonly owe: (calls: readonly OwedCall[]) => void };

/** First results stand and are owed to the shopfloor; contradictions and late ones are kept as stale. */
export const keepResults = (
  limits: Limits,
  ledger: Ledger,
  { lease, owe }: ResultsOf,
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
    const isKept = keep(limits, ledger, lease, { result, stale });
    if (stale) counts.stale += 1;
    else if (!isKept) counts.left += 1;
    else {
      counts.stored += 1;
      owe([callOfResult(lease.station, { testId: result.testId, status: result.status, details: detailsOf(result) })]);
    }
  }
  return counts;
};

/** Why these cannot be taken from who may yet be told so; null: they can. Of a test that has one, none will count. */
export const refusalOf = (
  limits: Limits,
  ledger: Ledger,
  lease: LeaseRow,
  results: readonly TestResult[],
): Refusal | null => {
  const record = recordOf(ledger, lease.id);
  const fresh = new Map(
    results.filter(({ testId }) => !record.standing.has(testId)).map((each) => [each.testId, each]),
  );
  return noRoomFor([...fresh.values()], sizeOf(record), limits);
};

/** False: there is no room for it. */
export const keep = (
  limits: Limits,
  ledger: Ledger,
  lease: LeaseRow,
  { result, stale }: { readonly result: TestResult; readonly stale: boolean },
): boolean => {
  const record = recordOf(ledger, lease.id);
  const bytes = resultBytes(result);
  if (!findsRoom(sizeOf(record), { bytes, stale }, limits) && (stale || !tipsVerdict(record, result))) return false;
  const { id: leaseId, jobId, attempt } = lease;
  const { testId, status } = result;
  ledger.results.push({ jobId, leaseId, attempt, testId, status, stale, result });
  enterResult(ledger, { leaseId, testId, status, stale, bytes, result });
  return true;
};

/** What was said of the test before says the same. */
export const repeats = (known: StoredResult, result: TestResult): boolean => {
  if (known.result === null) throw new Error(`what was said of test ${known.testId} before was not read`);
  return saysTheSame(known.result, result);
};

const sizeOf = ({ standing, stale, bytes }: AttemptRecord) => ({ standing: standing.size, stale, bytes });

/** The first that is not good is kept whatever there is: no verdict is better for want of room. */
const tipsVerdict = ({ standing }: AttemptRecord, { status }: TestResult): boolean =>
  isBad(status) && ![...standing.values()].some((known) => known.status === status);

const isBad = (status: TestResult['status']): boolean => status === 'FAILED' || status === 'FAILED_AND_WAIVED';
