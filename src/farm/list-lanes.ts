/** The lanes of an instance, page by page, and how all lanes stand. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import { type LaneCursor, type LaneView, readLanePage } from '../store/call-pages.ts';
import { type LaneSurvey, surveyLanes } from '../store/lanes.ts';
import type { FarmSeams } from './farm.ts';
import { lineFor } from './instance.ts';
import { type PageAsked, pageSizeOf } from './page.ts';

export type { LaneView } from '../store/call-pages.ts';
export type { LaneSurvey } from '../store/lanes.ts';

export type LaneQuery = PageAsked & {
  readonly instance: string;
  readonly blockedOnly: boolean;
};

/** The blocked ones first; `nextPageToken` empty: this is the last page. @throws Refusal INVALID. */
export const listLanes = async (
  farm: Pick<FarmSeams, 'pool' | 'limits' | 'lineOf'>,
  query: LaneQuery,
): Promise<{ readonly lanes: readonly LaneView[]; readonly nextPageToken: string }> => {
  const { instance, blockedOnly } = query;
  lineFor(farm, instance);
  const size = pageSizeOf(farm.limits, query);
  const scope = ['lanes', instance, blockedOnly];
  const after = afterOf(scope, query.pageToken);
  const found = await readLanePage(farm.pool, instance, query, { after, size: size + 1 });
  const lanes = found.slice(0, size);
  const last = found.length > size ? lanes.at(-1) : undefined;
  return { lanes, nextPageToken: last === undefined ? '' : cursorOf(scope, [Number(last.blocked), last.deviceId]) };
};

const afterOf = (scope: readonly unknown[], pageToken: string): LaneCursor | null => {
  if (pageToken === '') return null;
  const [blocked, deviceId] = positionOf(scope, pageToken, ['number', 'number']);
  return { blocked: blocked === 1, deviceId: Number(deviceId) };
};

/** For gauges that a tick keeps up to date; the cost is that of the lanes that owe something. */
export const readLaneSurvey = (farm: Pick<FarmSeams, 'pool'>): Promise<readonly LaneSurvey[]> => surveyLanes(farm.pool);
