/** Lists jobs, newest first, page by page. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import type { JobState } from '../core/job.ts';
import { checkText } from '../core/text.ts';
import { excessBytes } from '../core/work-size.ts';
import { type JobFilter, readJobPage, readJobViews } from '../store/job-views.ts';
import type { Farm } from './farm.ts';
import { lineFor } from './instance.ts';
import { type JobView, toJobView } from './job-view.ts';
import { type PageAsked, pageSizeOf } from './page.ts';

export type JobsAsked = PageAsked & {
  readonly instance: string;
  /** Empty: any. */
  readonly states: readonly JobState[];
  /** Null: any; so for the next. */
  readonly station: string | null;
  readonly route: string | null;
  /** The value of any serial of the DUT that a job is pinned to. */
  readonly serial: string | null;
};

/** `nextPageToken` empty: this is the last page. */
export type JobsPage = { readonly jobs: readonly JobView[]; readonly nextPageToken: string };

/** A page ends early when its tasks come to this, so that a list of big payloads still fits into one message. */
const PAGE_BYTES_MAX = (2048 + 128) * 1024;

/** @throws Refusal INVALID: unknown instance, BAD_CURSOR, PAGE_SIZE. */
export const listJobs = async (farm: Farm, asked: JobsAsked): Promise<JobsPage> => {
  lineFor(farm, asked.instance);
  const size = pageSizeOf(farm.limits, asked);
  const { instance, station, route, serial } = asked;
  for (const [what, name] of Object.entries({ station, route, serial })) {
    if (name !== null) checkText(`The ${what}`, name, farm.limits.text.nameBytesMax);
  }
  const filter: JobFilter = { instance, station, route, serial, states: [...asked.states].sort() };
  const scope = ['jobs', instance, filter.states, station, route, serial];
  const found = await readJobPage(farm.pool, filter, { below: belowOf(scope, asked.pageToken), limit: size + 1 });
  const stored = fitting(found.slice(0, size));
  const rows = await readJobViews(
    farm.pool,
    stored.map(({ id }) => id),
  );
  const shown = fitting(
    stored.map(({ id, bytes }) => {
      const row = rows.get(id);
      return { id, row, bytes: bytes + (row === undefined || row.work === null ? 0 : excessBytes(row.work)) };
    }),
  );
  const last = shown.at(-1);
  return {
    jobs: shown.flatMap(({ row }) => (row === undefined ? [] : [toJobView(row)])),
    nextPageToken: last === undefined || shown.length === found.length ? '' : cursorOf(scope, [last.id]),
  };
};

const belowOf = (scope: readonly unknown[], pageToken: string): number | null => {
  if (pageToken === '') return null;
  const [below] = positionOf(scope, pageToken, ['number']);
  return Number(below);
};

/** At least one, and then as many as fit. */
const fitting = <T extends { readonly bytes: number }>(found: readonly T[]): readonly T[] => {
  let bytes = 0;
  const tooMany = found.findIndex((each, index) => (bytes += each.bytes) > PAGE_BYTES_MAX && index > 0);
  return tooMany === -1 ? found : found.slice(0, tooMany);
};
