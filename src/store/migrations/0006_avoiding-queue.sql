-- Jobs that avoid some bot are looked for beside the plain ones of their class. Without an index of their own, finding that
-- there are none was a walk through all that waits.
create index jobs_queue_avoiding on jobs (requirement_id, priority, id)
  where state = 'QUEUED' and held_by is null and device_id is null and requested_bot_id is null and avoided_bots <> '{}';
