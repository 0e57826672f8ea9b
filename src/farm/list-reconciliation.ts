/** After a restore: the DUTs of which the partner may know more than the farm does, page by page. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import { type ReconciliationEntry, readReconciliation } from '../store/reconciliation.ts';
import { readPause, type Restore } from '../store/restores.ts';
import type { FarmSeams } from './farm.ts';
import { lineFor } from './instance.ts';
import { type PageAsked, pageSizeOf } from './page.ts';

export type { ReconciliationEntry } from '../store/reconciliation.ts';
export type { Restore } from '../store/restores.ts';

export type ReconciliationPage = {
  /** Null: the bridge is not paused, and there is nothing to reconcile. */
  readonly restore: Restore | null;
  readonly entries: readonly ReconciliationEntry[];
  /** Empty: this is the last page. */
  readonly nextPageToken: string;
};

/** The newest DUTs first. @throws Refusal INVALID. */
export const listReconciliation = async (
  farm: Pick<FarmSeams, 'pool' | 'limits' | 'lineOf'>,
  query: PageAsked & { readonly instance: string },
): Promise<ReconciliationPage> => {
  const { instance, pageToken } = query;
  lineFor(farm, instance);
  const size = pageSizeOf(farm.limits, query);
  const scope = ['reconciliation', instance];
  const below = pageToken === '' ? null : Number(positionOf(scope, pageToken, ['number'])[0]);
  const restore = await readPause(farm.pool, instance);
  if (restore === null) return { restore, entries: [], nextPageToken: '' };
  const { lastFactAt } = restore;
  const since = lastFactAt === null ? null : new Date(lastFactAt.getTime() - farm.limits.calls.reconciledMs);
  // One more than asked for tells whether there is a next page.
  const found = await readReconciliation(farm.pool, instance, since, { below, size: size + 1 });
  const entries = found.slice(0, size);
  const last = found.length > size ? entries.at(-1) : undefined;
  return { restore, entries, nextPageToken: last === undefined ? '' : cursorOf(scope, [last.deviceId]) };
};
