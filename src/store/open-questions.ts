/** Questions of gates that nobody has answered yet. */

/**
 * Whether a job of the DUT ended while it asked the shopfloor for leave to start, and has no answer yet. If that is a yes, its
 * start is closed, and no other start may come between: the shopfloor would take the closing for the end of that one.
 */
export const endedAsking = (deviceId: string): string => `
  exists (select from unsettled_calls q
          where q.device_id = ${deviceId} and q.gate
            and not exists (select from open_jobs o where o.id = q.job_id)
            -- Behind a question all of its lane is unsettled, too.
            and not exists (select from unsettled_calls c where c.device_id = q.device_id and c.position > q.position
                              and c.job_id = q.job_id and c.method <> 'NotifyEvent'))`;
