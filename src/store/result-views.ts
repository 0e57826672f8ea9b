/** Stored test results, as they are shown. */
import type { TestResult } from '../core/test-result.ts';
import type { Queryable } from './transaction.ts';

export type ResultView = {
  readonly attempt: number;
  readonly leaseId: string;
  readonly botId: string;
  /** Counts for nothing: it came after a cancel was asked, or contradicted the first of its test. */
  readonly stale: boolean;
  readonly at: Date;
  readonly result: TestResult;
};

/** All attempts of a job, in the order in which they were stored, with what tells the pages apart. */
export const readResultViews = async (
  db: Queryable,
  jobId: number,
  page: { readonly after: number; readonly limit: number },
): Promise<(ResultView & { readonly id: number })[]> => {
  const { rows } = await db.query<ResultView & { id: number }>(
    `select t.id, t.attempt, t.lease_id as "leaseId", l.bot_id as "botId", t.stale, t.at, t.result
     from test_results t join leases l on l.id = t.lease_id
     where t.job_id = $1 and t.id > $2 order by t.id limit $3`,
    [jobId, page.after, page.limit],
  );
  return rows;
};
