/** Test results. A test's first result stands; what contradicts it is kept beside it, stale. */
import type { TestResult } from '../core/test-result.ts';
import type { TestStatus } from '../core/verdict.ts';
import { asJson, type Queryable } from './transaction.ts';

export type StoredResult = {
  readonly leaseId: string;
  readonly testId: string;
  readonly status: TestStatus;
  readonly result: TestResult;
};

export type NewResult = StoredResult & {
  readonly jobId: number;
  readonly attempt: number;
  readonly stale: boolean;
};

/** The results that stand, of these leases, in the order in which they came. */
export const readStanding = async (db: Queryable, leaseIds: readonly string[]): Promise<StoredResult[]> => {
  if (leaseIds.length === 0) return [];
  const { rows } = await db.query<StoredResult>(
    `select lease_id as "leaseId", test_id as "testId", status, result
     from test_results where lease_id = any($1::uuid[]) and not stale order by id`,
    [leaseIds],
  );
  return rows;
};

/** Every result of these leases that was ever told, the stale ones too. */
export const readTold = async (db: Queryable, leaseIds: readonly string[]): Promise<StoredResult[]> => {
  if (leaseIds.length === 0) return [];
  const { rows } = await db.query<StoredResult>(
    `select lease_id as "leaseId", test_id as "testId", status, result
     from test_results where lease_id = any($1::uuid[]) order by id`,
    [leaseIds],
  );
  return rows;
};

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
