/** Jobs that DUTs run by themselves: what has a DUT, what it said before, which of them fell silent, and the fate of a call. */
import type { OpenWork, ToldBefore } from '../core/external-job.ts';
import type { OwedCall } from '../core/shopfloor-call.ts';
import type { CallState } from '../core/send-outcome.ts';
import { asJson, type Queryable } from './transaction.ts';

/** What has these DUTs now; of one that is free, nothing. */
export const readOpenWork = async (db: Queryable, deviceIds: readonly number[]): Promise<OpenWork[]> => {
  if (deviceIds.length === 0) return [];
  const { rows } = await db.query<OpenWork>(
    `select device_id as "deviceId", id as "leaseId", job_id as "jobId", station, state, bot_id as "botId",
            session_name is null as "isExternal"
     from open_leases where device_id = any($1::bigint[]) order by id`,
    [deviceIds],
  );
  return rows;
};

/**
 * Null: the DUT has made no call about that, or it was settled before `since`. Part of a transaction. History is looked at, and a
 * plan for all values would open, and lock, each day that is kept: this one is planned for its values.
 */
export const readToldBefore = async (
  db: Queryable,
  { deviceId, call, since }: { readonly deviceId: number; readonly call: OwedCall; readonly since: Date },
): Promise<ToldBefore | null> => {
  await db.query('set local plan_cache_mode = force_custom_plan');
  const { rows } = await db.query<ToldBefore>(TOLD_BEFORE, [
    deviceId,
    call.method,
    call.station,
    call.testId,
    call.event,
    call.status,
    // An element, so that SQL's null and JSON's are told apart.
    call.details === null ? '[]' : asJson([call.details]),
    since,
  ]);
  await db.query('set local plan_cache_mode = force_generic_plan');
  return rows[0] ?? null;
};

const TOLD_BEFORE = `
  select c.id as "callId", c.lease_id as "leaseId", c.settled_at is not null as "isSettled", c.faults,
         c.status is not distinct from $6 and c.details is not distinct from ($7::jsonb -> 0) as "saysTheSame",
         c.position = l.next_position - 1 as "isLast",
         not exists (
           select from shopfloor_calls n where n.device_id = c.device_id and n.position > c.position
             and n.method = 'NotifyStart' and (n.lease_id is not null or n.gate)
             and (n.settled_at is null or n.settled_at >= $8)) as "isCurrent"
  from shopfloor_calls c join lanes l on l.device_id = c.device_id
  where c.device_id = $1 and c.said is not null and c.method = $2
    and (c.method = 'UpdateTestResult' or c.station = $3)
    and c.test_id is not distinct from $4 and c.event is not distinct from $5
    and (c.settled_at is null or c.settled_at >= $8)
  order by c.position desc limit 1`;

/** How a call stands for whoever waits for its answer. */
export type CallFate = {
  readonly state: CallState;
  readonly faults: number;
  /** Of the last send that did not go well. */
  readonly words: string | null;
  readonly answer: unknown;
  /** A dead letter stands at the head of its lane. */
  readonly isBlocked: boolean;
};

/** Asked where it waits, and only then where it lies. @param since it was not settled before. */
export const readCallFate = async (
  db: Queryable,
  { id, since }: { readonly id: string; readonly since: Date },
): Promise<CallFate> => {
  const { rows: unsettled } = await db.query<CallFate>(
    `select c.state, c.faults, c.last_error as words, c.answer, l.blocked as "isBlocked"
     from unsettled_calls c join lanes l on l.device_id = c.device_id where c.id = $1`,
    [id],
  );
  const [waiting] = unsettled;
  if (waiting !== undefined) return waiting;
  const { rows: settled } = await db.query<CallFate>(
    `select c.state, c.faults, c.last_error as words, c.answer, l.blocked as "isBlocked"
     from settled_calls c join lanes l on l.device_id = c.device_id where c.id = $1 and c.settled_at >= $2`,
    [id, since],
  );
  const [fate] = settled;
  if (fate === undefined) throw new Error(`shopfloor call ${id} is not there`);
  return fate;
};

/**
 * Its DUT asks again: a call that waits for its next try goes at once, and a dead letter with its lane. True: it was one. The
 * last lock of a transaction.
 */
export const hurryCall = async (
  db: Queryable,
  call: { readonly id: string; readonly deviceId: number },
): Promise<boolean> => {
  await db.query('select from lanes where device_id = $1 for update', [call.deviceId]);
  const { rowCount: revived } = await db.query(
    `update unsettled_calls set state = 'OWED' where id = $1 and state = 'DEAD'`,
    [call.id],
  );
  await db.query(
    `update lanes l set blocked = false, due_at = farm_now()
     where l.device_id = $2 and (l.owned_until is null or l.owned_until <= farm_now()) and exists (
       select from unsettled_calls c
       where c.device_id = l.device_id and c.position = l.head_position and c.id = $1 and c.state = 'OWED')`,
    [call.id, call.deviceId],
  );
  return (revived ?? 0) > 0;
};

/** Why a DUT gets no work; null: it is not held. */
export const readHold = async (db: Queryable, deviceId: number): Promise<string | null> => {
  const { rows } = await db.query<{ reason: string | null }>(
    'select held_reason as reason from devices where id = $1',
    [deviceId],
  );
  return rows[0]?.reason ?? null;
};

export type DueExternal = { readonly leaseId: string; readonly jobId: number; readonly now: Date };

/** Most that one sweep takes; the rest is due at the next. */
const SWEEP_MAX = 200;

/** Found, not locked: of DUTs that are silent, and of jobs whose cancelling nobody acknowledges. Never in an outage of our own. */
export const findDueExternal = async (db: Queryable): Promise<DueExternal[]> => {
  const { rows } = await db.query<DueExternal>(
    `select id as "leaseId", job_id as "jobId", farm_now() as now from open_leases
     where session_name is null and (state = 'CANCELLING' or state = 'ACTIVE' and execution_deadline < farm_now())
       and not exists (select from farm_marks where amnesty_until > farm_now())
     order by id limit ${String(SWEEP_MAX)}`,
  );
  return rows;
};
