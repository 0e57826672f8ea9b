/** Questions of gates that nobody has answered yet. */

/**
 * Whether a job of the DUT ended while it asked the shopfloor for leave to start, and has no answer yet. If that is a yes, its
 * start is closed, and no other start may come between: the shopfloor would take the closing for the end of that one.
 */
export const endedAsking = (deviceId: string): string => `
  exists (select from shopfloor_calls q join jobs e on e.id = q.job_id
          where q.device_id = ${deviceId} and q.gate and q.state in ('OWED', 'DEAD') and e.ended_at is not null
            and not exists (select from shopfloor_calls c where c.job_id = q.job_id and c.position > q.position
                              and c.method <> 'NotifyEvent'))`;
