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

/**
 * A page of all attempts of a job, in the order in which they were stored. It has at least one where there is one, and then as many
 * as have so many bytes.
 * @param page.after the last of the page before; 0: the first page.
 */
export const readResultViews = async (
  db: Queryable,
  jobId: number,
  page: { readonly after: number; readonly limit: number; readonly bytes: number },
): Promise<{ readonly results: readonly (ResultView & { readonly id: number })[]; readonly hasMore: boolean }> => {
  const { rows } = await db.query<ResultView & { id: number; fits: boolean }>(
    `select t.id, t.attempt, t.lease_id as "leaseId", l.bot_id as "botId", t.stale, t.at, t.fits,
            case when t.fits then t.result end as result
     from (
       select r.id, r.job_id, r.lease_id, r.attempt, r.stale, r.at, r.result,
              row_number() over page <= $3
                and (row_number() over page = 1 or sum(octet_length(r.result::text)) over page <= $4) as fits
       from test_results r where r.job_id = $1 and r.id > $2
       window page as (order by r.id) order by r.id limit $3 + 1) t
     join leases l on l.id = t.lease_id order by t.id`,
    [jobId, page.after, page.limit, page.bytes],
  );
  const results = rows.flatMap(({ fits, ...row }) => (fits ? [row] : []));
  return { results, hasMore: results.length < rows.length };
};
