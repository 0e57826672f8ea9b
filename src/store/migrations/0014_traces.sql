-- The trace that a job belongs to, as W3C Trace Context writes it: carried in the row, so that any replica can go on with it.
-- Old servers survive this: they leave both null, and a job without a trace is a job as before. A default of null rewrites nothing.

-- Who waits for a table keeps all behind it waiting: a reader for hours, such as pg_dump, must not stop the farm. It is tried again.
set local lock_timeout = '1s';
-- Of the enqueueing; null: not traced.
alter table jobs add column traceparent text;
-- Of what owes the call, its lease or its job.
alter table shopfloor_calls add column traceparent text;
