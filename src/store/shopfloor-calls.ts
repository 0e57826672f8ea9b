/** The outbox read and settled, and the journal of its sends. Its rows belong to whoever has their lane locked. */
import type { CallState, SendOutcome } from '../core/send-outcome.ts';
import type { OwedCall } from '../core/shopfloor-call.ts';
import { type DeviceRecord, RECORD_COLUMNS } from './devices.ts';
import { asJson, type Queryable } from './transaction.ts';

/** The head of a lane, about to be sent. */
export type HeadCall = OwedCall & {
  readonly id: string;
  readonly instance: string;
  readonly deviceId: number;
  /** In its lane. */
  readonly position: number;
  readonly jobId: number | null;
  readonly leaseId: string | null;
  readonly attempt: number;
  /** As it was rendered when it first reached the head; null: this is the first time. */
  readonly body: string | null;
  readonly sends: number;
  readonly faults: number;
  /** What the DUT said of itself with it; null: it made no such call. */
  readonly said: Readonly<Record<string, unknown>> | null;
  readonly owedAt: Date;
  /** Of what owes it; null: not traced. */
  readonly traceparent: string | null;
};

/** A head, and of which record it is to be rendered; null: it has its body. */
export type HeadToSend = { readonly head: HeadCall; readonly record: DeviceRecord | null };

/** The heads of these lanes, in the lanes' order. The lanes are locked. */
export const readHeads = async (db: Queryable, deviceIds: readonly number[]): Promise<HeadToSend[]> => {
  if (deviceIds.length === 0) return [];
  const { rows } = await db.query<HeadCall & { readonly record: DeviceRecord | null }>(
    `select c.id, c.instance, c.device_id as "deviceId", c.position, c.job_id as "jobId", c.lease_id as "leaseId", c.attempt,
            c.method, c.station, c.test_id as "testId", c.status, c.event, c.details, c.gate, c.body, c.sends, c.faults, c.said,
            c.owed_at as "owedAt", c.traceparent,
            case when c.body is null then
              (select to_jsonb(record) from (select ${RECORD_COLUMNS} from devices d where d.id = c.device_id) record)
            end as record
     from lanes l join unsettled_calls c on c.device_id = l.device_id and c.position = l.head_position
     where l.device_id = any($1::bigint[]) and c.state = 'OWED'
     order by c.device_id`,
    [deviceIds],
  );
  return rows.map(({ record, ...head }) => ({ head, record }));
};

/** Sends whose owner went away before it could say what became of them: they may have been applied. */
export const settleAbandonedSends = async (db: Queryable, callIds: readonly string[]): Promise<string[]> => {
  if (callIds.length === 0) return [];
  const { rows } = await db.query<{ id: string }>(
    `with abandoned as (
       update call_sends
       set ended_at = farm_now(), outcome = 'ambiguous', words = 'its sender went away before it could say'
       where call_id = any($1::uuid[]) and outcome is null
       returning call_id)
     update unsettled_calls c set ambiguous = true, last_error = 'its sender went away before it could say'
     from abandoned a where c.id = a.call_id
     returning c.id`,
    [callIds],
  );
  return rows.map((row) => row.id);
};

/**
 * Journals a send of each call, before its first byte leaves; returns the send's number by call. None is journalled while
 * the bridge of its instance is paused.
 */
export const journalSends = async (
  db: Queryable,
  replica: string,
  calls: readonly { readonly id: string; readonly body: string }[],
): Promise<ReadonlyMap<string, number>> => {
  if (calls.length === 0) return new Map();
  const { rows } = await db.query<{ id: string; number: number }>(
    `with r as (
       select * from jsonb_to_recordset($1::jsonb) as r(id uuid, body text)
     ), paused as (
       select told.instance from (select distinct c.instance from unsettled_calls c join r on c.id = r.id) told
       where bridge_is_paused(told.instance)
     ), counted as (
       update unsettled_calls c set sends = c.sends + 1, body = coalesce(c.body, r.body)
       from r
       where c.id = r.id and c.state = 'OWED' and not exists (select from paused where paused.instance = c.instance)
       returning c.id, c.sends as number
     ), journal as (
       insert into call_sends (call_id, number, replica) select id, number, $2 from counted order by id)
     select id, number from counted`,
    [asJson(calls), replica],
  );
  return new Map(rows.map((row) => [row.id, row.number]));
};

export type EndedSend = {
  readonly callId: string;
  readonly number: number;
  readonly outcome: SendOutcome;
  /** Of a fault or an outage; null: there was none. */
  readonly words: string | null;
  readonly state: CallState;
  readonly faults: number;
  /** What is kept of the answer, for people; null: none came. */
  readonly answer: unknown;
  readonly action: string | null;
};

/** Completes the journal and the calls by what became of their sends. The lanes are locked and owned. */
export const recordSends = async (db: Queryable, sends: readonly EndedSend[]): Promise<void> => {
  if (sends.length === 0) return;
  await db.query(
    `with r as (
       select * from jsonb_to_recordset($1::jsonb) as r("callId" uuid, number integer, outcome text, words text,
         state text, faults integer, answer jsonb, action text)
     ), journal as (
       update call_sends s set ended_at = farm_now(), outcome = r.outcome, words = r.words
       from r where s.call_id = r."callId" and s.number = r.number and s.outcome is null)
     update shopfloor_calls c
     set state = r.state, faults = r.faults, ambiguous = c.ambiguous or r.outcome = 'ambiguous',
         last_error = coalesce(r.words, c.last_error), answer = coalesce(r.answer, c.answer),
         action = coalesce(r.action, c.action),
         settled_at = case when r.state in ('DELIVERED', 'GATE_REFUSED') then farm_now() end
     from r where c.id = r."callId" and c.state in ('OWED', 'DEAD')`,
    [asJson(sends)],
  );
};

/**
 * Of these jobs' calls that are not settled, the last one in each job's lane: whether a question, the head of its lane until it is
 * recorded, is still the job's current one. An event that a bot reports late is no part of an attempt, and takes no question's place.
 */
export const readLatestCalls = async (db: Queryable, jobIds: readonly number[]): Promise<ReadonlySet<string>> => {
  if (jobIds.length === 0) return new Set();
  const { rows } = await db.query<{ id: string }>(
    `select distinct on (c.job_id, c.device_id) c.id from unsettled_calls c
     where c.job_id = any($1::bigint[]) and c.method <> 'NotifyEvent' order by c.job_id, c.device_id, c.position desc`,
    [jobIds],
  );
  return new Set(rows.map((row) => row.id));
};

/** A call with the state of its lane, as an operator's word needs it. */
export type OperatedCall = {
  readonly id: string;
  readonly deviceId: number;
  readonly jobId: number | null;
  readonly leaseId: string | null;
  readonly gate: boolean;
  readonly method: string;
  readonly state: CallState;
  readonly isHead: boolean;
  /** A replica has the lane and may be sending. */
  readonly isOwned: boolean;
};

/** Reads a call without locking anything; null: there is none of that id in that instance. */
export const readOperatedCall = async (
  db: Queryable,
  call: { readonly instance: string; readonly id: string },
): Promise<OperatedCall | null> => {
  const { rows } = await db.query<OperatedCall>(OPERATED, [call.instance, call.id]);
  return rows[0] ?? null;
};

/** The same with the lane and the call locked, in this order. */
export const lockOperatedCall = async (
  db: Queryable,
  call: { readonly instance: string; readonly id: string; readonly deviceId: number },
): Promise<OperatedCall | null> => {
  await db.query('select from lanes where device_id = $1 for update', [call.deviceId]);
  return readOperatedCall(db, call);
};

const OPERATED = `
  select c.id, c.device_id as "deviceId", c.job_id as "jobId", c.lease_id as "leaseId", c.gate, c.method, c.state,
         c.position = l.head_position as "isHead", coalesce(l.owned_until > farm_now(), false) as "isOwned"
  from shopfloor_calls c join lanes l on l.device_id = c.device_id
  where c.instance = $1 and c.id = $2`;

/** The lane is locked. */
export const oweCallAgain = async (db: Queryable, id: string): Promise<void> => {
  await db.query(`update unsettled_calls set state = 'OWED' where id = $1 and state = 'DEAD'`, [id]);
};

/** The lane is locked and nobody is sending. */
export const skipCallRow = async (db: Queryable, id: string, reason: string): Promise<void> => {
  await db.query(
    `update shopfloor_calls set state = 'SKIPPED', skip_reason = $2, settled_at = farm_now()
     where id = $1 and state in ('OWED', 'DEAD')`,
    [id, reason],
  );
};
