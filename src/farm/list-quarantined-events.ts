/** Lists the Testlog events that were accepted and put aside, newest first, page by page. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import { type QuarantinedEvent, readQuarantinedEvents } from '../store/testlog-events.ts';
import type { Queryable } from '../store/transaction.ts';
import type { FarmSeams } from './farm.ts';
import { lineFor } from './instance.ts';
import { type PageAsked, pageSizeOf } from './page.ts';

export type { QuarantinedEvent };

/** `nextPageToken` empty: this is the last page. @throws Refusal INVALID. */
export const listQuarantinedEvents = async (
  farm: Pick<FarmSeams, 'pool' | 'limits' | 'lineOf'>,
  query: PageAsked & { readonly instance: string },
): Promise<{ readonly events: readonly QuarantinedEvent[]; readonly nextPageToken: string }> => {
  const { instance, pageToken } = query;
  lineFor(farm, instance);
  const size = pageSizeOf(farm.limits, query);
  const scope = ['quarantined events', instance];
  const before = pageToken === '' ? null : Number(positionOf(scope, pageToken, ['number'])[0]);
  const found = await readQuarantinedEvents(farm.pool, instance, { before, limit: size + 1 });
  const events = found.slice(0, size);
  const last = found.length > size ? events.at(-1) : undefined;
  return { events, nextPageToken: last === undefined ? '' : cursorOf(scope, [last.id]) };
};

/** Of all instances, for whoever has the database itself. */
export const newestQuarantinedEvents = (db: Queryable, limit: number): Promise<readonly QuarantinedEvent[]> =>
  readQuarantinedEvents(db, null, { before: null, limit });
