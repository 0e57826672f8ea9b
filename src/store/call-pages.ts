/** Calls and lanes as people look at them: page by page. */
import type { CallState } from '../core/send-outcome.ts';
import type { Queryable } from './transaction.ts';

/** One owed call, for eyes. */
export type CallView = {
  readonly id: string;
  readonly instance: string;
  readonly deviceId: number;
  readonly position: number;
  readonly method: string;
  readonly station: string;
  readonly testId: string | null;
  readonly status: string | null;
  readonly event: string | null;
  readonly jobId: number | null;
  readonly attempt: number;
  readonly state: CallState;
  readonly sends: number;
  readonly faults: number;
  /** The words of the last fault or outage. */
  readonly lastError: string | null;
  /** Some send ended without a readable answer: the shopfloor may have seen it twice. */
  readonly possiblyDuplicated: boolean;
  /** What the shopfloor answered, registration codes redacted. */
  readonly answer: unknown;
  readonly action: string | null;
  readonly skipReason: string | null;
  readonly owedAt: Date;
  readonly settledAt: Date | null;
  /** Of the head of a lane that is not blocked; null otherwise. */
  readonly nextSendAt: Date | null;
};

const COLUMNS = `
  c.id, c.instance, c.device_id as "deviceId", c.position, c.method, c.station, c.test_id as "testId", c.status,
  c.event, c.job_id as "jobId", c.attempt, c.state, c.sends, c.faults, c.last_error as "lastError",
  c.ambiguous as "possiblyDuplicated", c.answer, c.action, c.skip_reason as "skipReason", c.owed_at as "owedAt",
  c.settled_at as "settledAt", case when c.position = l.head_position then l.due_at end as "nextSendAt"`;

/** Where a page ended. The time is in microseconds, as PostgreSQL keeps it: a Date would lose some. */
export type CallCursor = { readonly owedAtUs: number; readonly deviceId: number; readonly position: number };

export type CallFilter = {
  /** Empty: any. */
  readonly states: readonly CallState[];
  /** A serial's value; null: any DUT. */
  readonly serial: string | null;
  readonly jobId: number | null;
};

const PAGE = `
  and (cardinality($2::text[]) = 0 or c.state = any($2::text[]))
  and ($3::text is null or c.device_id in (select s.device_id from device_serials s where s.instance = $1 and s.value = $3))
  and ($4::bigint is null or c.job_id = $4)
  and ($5::bigint is null or (c.owed_at, c.device_id, c.position)
         < (timestamptz 'epoch' + $5::bigint * interval '1 microsecond', $6::bigint, $7::bigint))
  order by c.owed_at desc, c.device_id desc, c.position desc limit $8`;
const FROM = `
  select ${COLUMNS}, (extract(epoch from c.owed_at) * 1000000)::bigint as "owedAtUs" from shopfloor_calls c join lanes l on l.device_id = c.device_id
  where c.instance = $1`;
/** The few that are not settled have an index of their own, which the planner takes only when the text says so. */
const UNSETTLED_PAGE = `${FROM} and c.state in ('OWED', 'DEAD') ${PAGE}`;
const ANY_PAGE = `${FROM} ${PAGE}`;

/** Newest first, each with the cursor of the page that would begin after it. */
export const readCallPage = async (
  db: Queryable,
  instance: string,
  filter: CallFilter,
  page: { readonly after: CallCursor | null; readonly size: number },
): Promise<{ readonly call: CallView; readonly cursor: CallCursor }[]> => {
  const isUnsettled = filter.states.length > 0 && filter.states.every((state) => state === 'OWED' || state === 'DEAD');
  const { rows } = await db.query<CallView & { owedAtUs: number }>(isUnsettled ? UNSETTLED_PAGE : ANY_PAGE, [
    instance,
    filter.states,
    filter.serial,
    filter.jobId,
    page.after?.owedAtUs ?? null,
    page.after?.deviceId ?? null,
    page.after?.position ?? null,
    page.size,
  ]);
  return rows.map(({ owedAtUs, ...call }) => ({
    call,
    cursor: { owedAtUs, deviceId: call.deviceId, position: call.position },
  }));
};

/** Null: there is no call of that id in that instance. */
export const readCallView = async (
  db: Queryable,
  call: { readonly instance: string; readonly id: string },
): Promise<CallView | null> => {
  const { rows } = await db.query<CallView>(
    `select ${COLUMNS} from shopfloor_calls c join lanes l on l.device_id = c.device_id
     where c.instance = $1 and c.id = $2`,
    [call.instance, call.id],
  );
  return rows[0] ?? null;
};

/** In no order; unknown ids are left out. */
export const readCallViews = async (db: Queryable, ids: readonly string[]): Promise<CallView[]> => {
  if (ids.length === 0) return [];
  const { rows } = await db.query<CallView>(
    `select ${COLUMNS} from shopfloor_calls c join lanes l on l.device_id = c.device_id where c.id = any($1::uuid[])`,
    [ids],
  );
  return rows;
};

/** One send of a call, as journalled. */
export type SendView = {
  readonly number: number;
  readonly replica: string;
  readonly sentAt: Date;
  readonly endedAt: Date | null;
  /** Null: it is under way, or its sender went away. */
  readonly outcome: string | null;
  readonly words: string | null;
};

export const readSends = async (db: Queryable, callId: string, limit: number): Promise<SendView[]> => {
  const { rows } = await db.query<SendView>(
    `select number, replica, sent_at as "sentAt", ended_at as "endedAt", outcome, words
     from call_sends where call_id = $1 order by number desc limit $2`,
    [callId, limit],
  );
  return rows;
};

/** A lane, for eyes. */
export type LaneView = {
  readonly instance: string;
  readonly deviceId: number;
  /** The DUT's newest serial; empty: it has none. */
  readonly serial: string;
  readonly owed: number;
  readonly blocked: boolean;
  /** The first call that is not settled; null: none is owed. */
  readonly head: CallView | null;
};

export type LaneCursor = { readonly blocked: boolean; readonly deviceId: number };

type LaneRow = Omit<LaneView, 'head'> & { readonly headId: string | null };

/** The blocked ones first, then the newest DUTs. */
export const readLanePage = async (
  db: Queryable,
  instance: string,
  { blockedOnly }: { readonly blockedOnly: boolean },
  page: { readonly after: LaneCursor | null; readonly size: number },
): Promise<LaneView[]> => {
  const { rows: lanes } = await db.query<LaneRow>(
    `select l.instance, l.device_id as "deviceId", l.next_position - l.head_position as owed, l.blocked,
            coalesce((select s.value from device_serials s where s.device_id = l.device_id
                      order by s.added desc limit 1), '') as serial,
            (select c.id from shopfloor_calls c where c.device_id = l.device_id and c.position = l.head_position)
              as "headId"
     from lanes l
     where l.instance = $1 and (l.blocked or not $2)
       and ($3::boolean is null or (l.blocked, l.device_id) < ($3::boolean, $4::bigint))
     order by l.blocked desc, l.device_id desc limit $5`,
    [instance, blockedOnly, page.after?.blocked ?? null, page.after?.deviceId ?? null, page.size],
  );
  const heads = await readCallViews(
    db,
    lanes.flatMap(({ headId }) => (headId === null ? [] : [headId])),
  );
  const byId = new Map(heads.map((head) => [head.id, head]));
  return lanes.map(({ headId, ...lane }) => ({ ...lane, head: headId === null ? null : (byId.get(headId) ?? null) }));
};
