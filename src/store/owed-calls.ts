/** Appending to the lanes: the outbox's writing end, inside the transaction that makes the facts. */
import type { OwedCall } from '../core/shopfloor-call.ts';
import { asJson, type Queryable } from './transaction.ts';

export type CallToOwe = OwedCall & {
  readonly id: string;
  readonly instance: string;
  readonly deviceId: number;
  readonly jobId: number | null;
  readonly leaseId: string | null;
  readonly attempt: number;
  /** What the DUT said of itself, of a call that it made by the factory door. */
  readonly said?: Readonly<Record<string, unknown>>;
  /** Of what owes it; null or absent: not traced. */
  readonly traceparent?: string | null;
};

/**
 * Takes dense positions under each lane's row lock, in the order given, and writes the calls. Lanes are locked by id and
 * last of all (lock order), so that a position's order is the commits' order: a sequence would not give that.
 */
export const oweCalls = async (db: Queryable, calls: readonly CallToOwe[]): Promise<void> => {
  if (calls.length === 0) return;
  const perLane = new Map<number, number>();
  const placed = calls.map((call) => {
    const offset = perLane.get(call.deviceId) ?? 0;
    perLane.set(call.deviceId, offset + 1);
    return { ...call, offset };
  });
  await db.query(
    `with grown as (
       select * from jsonb_to_recordset($1::jsonb) as r("deviceId" bigint, n integer)
     ), locked as (
       select l.device_id from lanes l where l.device_id in (select "deviceId" from grown) order by l.device_id for update
     ), taken as (
       update lanes l
       set next_position = l.next_position + grown.n,
           due_at = case when l.blocked then null else coalesce(l.due_at, farm_now()) end
       from grown, locked
       where l.device_id = grown."deviceId" and locked.device_id = l.device_id
       returning l.device_id, l.next_position - grown.n as first
     )
     insert into unsettled_calls (id, instance, device_id, position, job_id, lease_id, attempt, method, station, test_id,
                                  status, event, details, gate, said, traceparent)
     select r.id, r.instance, r."deviceId", taken.first + r."offset", r."jobId", r."leaseId", r.attempt, r.method,
            r.station, r."testId", r.status, r.event, r.details, r.gate, r.said, r.traceparent
     from jsonb_to_recordset($2::jsonb) as r(
       id uuid, instance text, "deviceId" bigint, "offset" integer, "jobId" bigint, "leaseId" uuid, attempt integer,
       method text, station text, "testId" text, status text, event text, details jsonb, gate boolean, said jsonb,
       traceparent text)
     join taken on taken.device_id = r."deviceId"`,
    [asJson([...perLane].map(([deviceId, n]) => ({ deviceId, n }))), asJson(placed)],
  );
};
