/** A station enqueued again because the shopfloor asked for it. */
import type { Queryable } from './transaction.ts';

/** What a job was enqueued as; null: there is no such job, it is no station's work, or its DUT runs it and no bot could. */
export const readRequestId = async (db: Queryable, jobId: number): Promise<string | null> => {
  const { rows } = await db.query<{ requestId: string }>(
    `select request_id as "requestId" from jobs where id = $1 and work is not null
       and not exists (select from leases l where l.job_id = jobs.id and l.session_name is null)`,
    [jobId],
  );
  return rows[0]?.requestId ?? null;
};

/**
 * The same work once more, on the DUT it ran on and off any route: the route goes by the first verdict. Null: it was
 * enqueued under this request id before. The lane of the DUT is locked, and so is the only place that asks.
 */
export const insertRerun = async (
  db: Queryable,
  rerun: {
    readonly jobId: number;
    readonly deviceId: number;
    readonly requestId: string;
    readonly heldBy: string | null;
    readonly heldReason: string | null;
  },
): Promise<number | null> => {
  const { rows } = await db.query<{ id: number }>(
    `with again as (
       insert into jobs (instance, request_id, state, held_by, held_reason, station, work, requirement_id, device_id,
                         requested_bot_id, priority, on_failed, attempts_max, execution_timeout_ms)
       select j.instance, $3, 'QUEUED', $4, $5, j.station, j.work, j.requirement_id, $2, j.requested_bot_id, j.priority,
              'continue', j.attempts_max, j.execution_timeout_ms
       from jobs j
       where j.id = $1
         and not exists (select from enqueue_requests e where e.instance = j.instance and e.request_id = $3)
       returning id, instance, request_id, work
     ), remembered as (
       insert into enqueue_requests (instance, request_id, fingerprint, job_id)
       select instance, request_id, 'rerun', id from again)
     select id from again`,
    [rerun.jobId, rerun.deviceId, rerun.requestId, rerun.heldBy, rerun.heldReason],
  );
  return rows[0]?.id ?? null;
};
