/** Test results. A test's first result stands; what contradicts it is kept beside it, stale. */
import type { TestResult } from '../core/test-result.ts';
import type { TestStatus } from '../core/verdict.ts';
import { asJson, type Queryable } from './transaction.ts';

export type StoredResult = {
  readonly leaseId: string;
  readonly testId: string;
  readonly status: TestStatus;
  /** Counts for nothing. */
  readonly stale: boolean;
  /** As JSON, more or less. */
  readonly bytes: number;
  /** Null: of a test of which nothing is said now, so that there is nothing to compare it with. */
  readonly result: TestResult | null;
};

export type NewResult = Omit<StoredResult, 'bytes'> & {
  readonly jobId: number;
  readonly attempt: number;
  readonly result: TestResult;
};

/**
 * All results of these leases, the stale ones too, in the order in which they came. Asks nothing where none was stored before: most
 * leases are completed in one piece. Where some was, days before it are not looked at.
 * @param told the tests of which something is said now: what was said of them before comes with it.
 */
export const readResults = async (
  db: Queryable,
  leases: readonly { readonly id: string; readonly resultsSince: Date | null }[],
  told: readonly string[],
): Promise<StoredResult[]> => {
  const reported = leases.flatMap(({ id, resultsSince }) =>
    resultsSince === null ? [] : [{ id, since: resultsSince }],
  );
  if (reported.length === 0) return [];
  const { rows } = await db.query<StoredResult>(
    `select lease_id as "leaseId", test_id as "testId", status, stale, octet_length(result::text) as bytes,
            case when test_id = any($3::text[]) then result end as result
     from test_results where lease_id = any($1::uuid[]) and at >= $2 order by id`,
    [reported.map(({ id }) => id), earliest(reported.map(({ since }) => since)), [...new Set(told)]],
  );
  return rows;
};

/** A Date is cut off at the millisecond, so it is never later than what it was read from. */
const earliest = (times: readonly Date[]): Date => new Date(Math.min(...times.map((time) => time.getTime())));

export const insertResults = async (db: Queryable, results: readonly NewResult[]): Promise<void> => {
  if (results.length === 0) return;
  await db.query(
    `insert into test_results (job_id, lease_id, attempt, test_id, status, result, stale)
     select r."jobId", r."leaseId", r.attempt, r."testId", r.status, r.result, r.stale
     from rows from (jsonb_to_recordset($1::jsonb) as (
       "jobId" bigint, "leaseId" uuid, attempt integer, "testId" text, status text, result jsonb, stale boolean))
       with ordinality as r("jobId", "leaseId", attempt, "testId", status, result, stale, ordinal)
     order by r.ordinal`,
    [asJson(results)],
  );
};
