/** Lists the results of a job, all attempts, stale ones included and marked, page by page. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import { readResultViews, type ResultView } from '../store/result-views.ts';
import type { Farm } from './farm.ts';
import { findJob, type JobName } from './get-job.ts';
import { lineFor } from './instance.ts';
import { type PageAsked, pageSizeOf } from './page.ts';

export type { ResultView };

/** `nextPageToken` empty: this is the last page. */
export type ResultsPage = { readonly results: readonly ResultView[]; readonly nextPageToken: string };

/** A page ends early when its results come to this, so that it still fits into one message. */
const PAGE_BYTES_MAX = 2 * 1024 * 1024;

/**
 * @param asked pageSize 0: as many as one message takes, at most `text.pageMax`.
 * @throws Refusal NOT_FOUND; INVALID: unknown instance, BAD_CURSOR, PAGE_SIZE.
 */
export const listTestResults = async (farm: Farm, asked: JobName & PageAsked): Promise<ResultsPage> => {
  lineFor(farm, asked.instance);
  const { limits, pool } = farm;
  const limit = asked.pageSize === 0 ? limits.text.pageMax : pageSizeOf(limits, asked);
  const { id } = await findJob(pool, asked);
  const scope = ['results', asked.instance, id];
  const after = asked.pageToken === '' ? 0 : Number(positionOf(scope, asked.pageToken, ['number'])[0]);
  const { results, hasMore } = await readResultViews(pool, id, { after, limit, bytes: PAGE_BYTES_MAX });
  const last = results.at(-1);
  return {
    results: results.map(({ id: _id, ...view }) => view),
    nextPageToken: hasMore && last !== undefined ? cursorOf(scope, [last.id]) : '',
  };
};
