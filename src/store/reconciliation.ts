/** The DUTs of which a partner may know more than a restored database does. */
import { type CallView, readCallViews } from './call-pages.ts';
import type { Queryable } from './transaction.ts';

/**
 * OWED: calls are owed, and the first of them may have been sent already. UNDER_WAY: a job of it had not ended. RECENT:
 * its last call was delivered shortly before the newest fact that is left.
 */
export type ReconcileCause = 'OWED' | 'UNDER_WAY' | 'RECENT';

export type ReconciliationEntry = {
  readonly instance: string;
  readonly deviceId: number;
  /** By name, the newest value of each. */
  readonly serials: Readonly<Record<string, string>>;
  readonly cause: ReconcileCause;
  readonly owed: number;
  /** The last that we know to have been delivered; null: none. */
  readonly lastTold: CallView | null;
  /** The first that will be sent once the bridge is resumed; null: none is owed. */
  readonly nextOwed: CallView | null;
};

type Row = Omit<ReconciliationEntry, 'lastTold' | 'nextOwed'> & {
  readonly lastToldId: string | null;
  readonly nextOwedId: string | null;
};

/** By DUT, the newest first. @param since DUTs of which something was delivered since then are RECENT; null: none is. */
export const readReconciliation = async (
  db: Queryable,
  instance: string,
  since: Date | null,
  page: { readonly below: number | null; readonly size: number },
): Promise<ReconciliationEntry[]> => {
  const { rows } = await db.query<Row>(
    `select l.instance, l.device_id as "deviceId", l.next_position - l.head_position as owed,
            case when l.head_position < l.next_position then 'OWED'
                 when exists (select from open_jobs j where j.device_id = l.device_id) then 'UNDER_WAY'
                 else 'RECENT' end as cause,
            (select coalesce(jsonb_object_agg(s.name, s.value order by s.added), '{}')
             from device_serials s where s.device_id = l.device_id) as serials,
            told.id as "lastToldId", owed.id as "nextOwedId"
     from lanes l
     left join lateral (
       select c.id, c.settled_at from shopfloor_calls c
       where c.device_id = l.device_id and c.position < l.head_position and c.state = 'DELIVERED'
       order by c.position desc limit 1) told on true
     left join unsettled_calls owed on owed.device_id = l.device_id and owed.position = l.head_position
     where l.instance = $1 and ($3::bigint is null or l.device_id < $3)
       and (l.head_position < l.next_position or told.settled_at >= $2
            or exists (select from open_jobs j where j.device_id = l.device_id))
     order by l.device_id desc limit $4`,
    [instance, since, page.below, page.size],
  );
  const ids = rows.flatMap(({ lastToldId, nextOwedId }) => [lastToldId, nextOwedId].filter((id) => id !== null));
  const calls = new Map((await readCallViews(db, ids)).map((call) => [call.id, call]));
  return rows.map(({ lastToldId, nextOwedId, ...row }) => ({
    ...row,
    lastTold: calls.get(lastToldId ?? '') ?? null,
    nextOwed: calls.get(nextOwedId ?? '') ?? null,
  }));
};
