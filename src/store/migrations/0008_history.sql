-- What has ended leaves the hot tables: each is a partition of open rows beside partitions of ended ones, a day each (UTC). The
-- update that ends a row moves it, in its own commit. Days are made ahead and dropped whole; rows of a day that nobody made are
-- kept in the partition `_other`, so that nothing ever fails to end.
--
-- A server of the version before goes on: its statements name the parents, and PostgreSQL moves its rows too. It waits while this
-- runs; docs/how-to/upgrade.md says for how long. What it may no longer rely on are references to jobs, leases and calls: a
-- partitioned table cannot be referred to by an id alone. The doctor asks for them instead.
lock table jobs, leases, test_results, shopfloor_calls, call_sends, farm_events, enqueue_requests, result_notes
  in access exclusive mode;

alter table jobs rename to jobs_before;
alter table leases rename to leases_before;
alter table test_results rename to test_results_before;
alter table shopfloor_calls rename to shopfloor_calls_before;
alter table call_sends rename to call_sends_before;
alter table farm_events rename to farm_events_before;

create table jobs (like jobs_before including defaults including constraints) partition by list (state);
create table open_jobs partition of jobs for values in ('QUEUED', 'LEASED', 'CANCELLING');
create table finished_jobs partition of jobs for values in ('FINISHED', 'FAILED', 'CANCELLED') partition by range (ended_at);
create table finished_jobs_other partition of finished_jobs default;

create table leases (like leases_before including defaults including constraints) partition by list (state);
-- Since when it has test results; null: it has none. What is completed in one piece need not look for earlier ones.
alter table leases add column results_since timestamptz;
create table open_leases partition of leases for values in ('PENDING', 'ACTIVE', 'CANCELLING');
create table closed_leases partition of leases
  for values in ('COMPLETED', 'CANCELLED', 'REFUSED', 'WITHDRAWN', 'LOST') partition by range (closed_at);
create table closed_leases_other partition of closed_leases default;

create table shopfloor_calls (like shopfloor_calls_before including defaults including constraints) partition by list (state);
create table unsettled_calls partition of shopfloor_calls for values in ('OWED', 'DEAD');
create table settled_calls partition of shopfloor_calls
  for values in ('DELIVERED', 'GATE_REFUSED', 'SKIPPED') partition by range (settled_at);
create table settled_calls_other partition of settled_calls default;

create table call_sends (like call_sends_before including defaults including constraints) partition by list (outcome);
create table open_sends partition of call_sends for values in (null);
create table ended_sends partition of call_sends
  for values in ('answered', 'fault', 'refused', 'ambiguous') partition by range (ended_at);
create table ended_sends_other partition of ended_sends default;

-- Identity columns are not for partitions of all servers that we serve with.
create sequence test_result_ids;
create table test_results (like test_results_before including defaults including constraints) partition by range (at);
alter table test_results alter column id set default nextval('test_result_ids');
create table test_results_other partition of test_results default;

create sequence farm_event_ids;
create table farm_events (like farm_events_before including defaults including constraints) partition by range (at);
alter table farm_events alter column id set default nextval('farm_event_ids');
create table farm_events_other partition of farm_events default;

-- By which time a table of history is parted; null: it is none.
create function history_column(which text) returns text language sql immutable parallel safe as $$
  select case which when 'finished_jobs' then 'ended_at' when 'closed_leases' then 'closed_at'
                    when 'settled_calls' then 'settled_at' when 'ended_sends' then 'ended_at'
                    when 'test_results' then 'at' when 'farm_events' then 'at' end
$$;

-- What holds history back: the oldest call that is not settled, and the oldest job that is left. Null: nothing.
create function history_holds(out owed_at timestamptz, out enqueued_at timestamptz) language sql stable as $$
  with recursive of_instances as (
    (select c.instance, c.owed_at from unsettled_calls c order by c.instance, c.owed_at limit 1)
    union all
    select n.* from of_instances i cross join lateral (
      select c.instance, c.owed_at from unsettled_calls c where c.instance > i.instance
      order by c.instance, c.owed_at limit 1) n)
  select (select min(o.owed_at) from of_instances o),
         (select j.enqueued_at from jobs j where j.id = (select min(id) from jobs))
$$;

-- What retention has dropped, by table and day; the tallies have the jobs by instance, station and state (family: dropped).
create table dropped_days (
  history text not null check (history_column(history) is not null),
  day date not null,
  rows bigint not null check (rows >= 0),
  -- No row of a job beyond this one was dropped; null: there was none of any job.
  last_job_id bigint,
  dropped_at timestamptz not null default farm_now(),
  primary key (history, day)
);

-- As the owner, who alone may make and drop tables, for the farm's role: it has no other way to either.
create function make_history_day(which text, day date) returns text
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '250ms' as $$
declare
  -- What is moved out of `_other` while completions may have to wait for it.
  moved_max constant bigint := 20000;
  parted_by constant text := history_column(which);
  own_name constant text := which || to_char(day, '_YYYYMMDD');
  first constant timestamptz := day::timestamp at time zone 'UTC';
  beyond constant timestamptz := (day + 1)::timestamp at time zone 'UTC';
  waiting bigint;
begin
  if parted_by is null or abs(day - (farm_now() at time zone 'UTC')::date) > 3650 then
    raise exception 'There is no history of % on %.', which, day using errcode = '22023';
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('history', 0)) then return 'BUSY'; end if;
  if to_regclass(own_name) is not null then return 'THERE'; end if;
  -- Nobody may put a row of the day there from here on; who reads history waits as long.
  execute format('lock table %I in access exclusive mode', which || '_other');
  execute format('select count(*) from (select from %I where %I >= $1 and %2$I < $2 limit $3) w', which || '_other', parted_by)
    into waiting using first, beyond, moved_max + 1;
  if waiting > moved_max then return 'FULL'; end if;
  execute format('create table %I (like %I including all)', own_name, which);
  execute format('with moved as (delete from %I where %I >= $1 and %2$I < $2 returning *) insert into %I select * from moved',
                 which || '_other', parted_by, own_name) using first, beyond;
  execute format('alter table %I attach partition %I for values from (%L) to (%L)', which, own_name, first, beyond);
  return 'MADE';
end
$$;

-- Drops a day that is over and that nothing holds back. Returns its rows; null: held back, or another is at work.
create function drop_history_day(which text, day date) returns bigint
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '250ms' as $$
declare
  own_name constant text := which || to_char(day, '_YYYYMMDD');
  beyond constant timestamptz := (day + 1)::timestamp at time zone 'UTC';
  holds record;
  dropped bigint;
begin
  if history_column(which) is null or beyond > farm_now() - interval '1 day' then
    raise exception 'The history of % on % cannot be dropped: it is none, or younger than a day.', which, day using errcode = '22023';
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('history', 0)) then return null; end if;
  if not exists (select from pg_inherits where inhparent = to_regclass(which) and inhrelid = to_regclass(own_name)) then return 0; end if;
  select * into holds from history_holds();
  if which = 'finished_jobs' and holds.owed_at < beyond or which <> 'finished_jobs' and holds.enqueued_at < beyond then
    return null;
  end if;
  -- The day is over: nobody writes, and who reads is not kept from it while it is counted.
  execute format('lock table %I in share mode', own_name);
  dropped := count_dropped(which, day, own_name);
  execute format('drop table %I', own_name);
  return dropped;
end
$$;

-- Of what is about to go, in the transaction in which it goes.
create function count_dropped(which text, day date, from_table text) returns bigint
language plpgsql set search_path = public, pg_temp as $$
declare
  dropped bigint;
  newest bigint;
begin
  execute format('select count(*), max(%s) from %I',
                 case which when 'finished_jobs' then 'id' when 'ended_sends' then 'null::bigint' else 'job_id' end, from_table)
    into dropped, newest;
  if which = 'finished_jobs' then
    execute format('insert into tallies (family, instance, label, state, n)
                    select f.family, j.instance, j.station, j.state, f.sign * count(*)
                    from %I j cross join (values (''job'', -1), (''dropped'', 1)) f(family, sign)
                    group by f.family, f.sign, j.instance, j.station, j.state', from_table);
  end if;
  insert into dropped_days as d (history, day, rows, last_job_id) values (which, count_dropped.day, dropped, newest)
  on conflict on constraint dropped_days_pkey do update
    set rows = d.rows + excluded.rows, last_job_id = greatest(d.last_job_id, excluded.last_job_id), dropped_at = excluded.dropped_at;
  return dropped;
end
$$;
revoke execute on function make_history_day, drop_history_day, count_dropped from public;

-- The days there are rows of, but for those so long ago that no farm kept them.
do $$
declare
  past record;
begin
  for past in
    select distinct t.which, (t.at at time zone 'UTC')::date as day
    from (select 'finished_jobs' as which, ended_at as at from jobs_before
          union all select 'closed_leases', closed_at from leases_before
          union all select 'settled_calls', settled_at from shopfloor_calls_before
          union all select 'ended_sends', ended_at from call_sends_before
          union all select 'test_results', at from test_results_before
          union all select 'farm_events', at from farm_events_before) t
    where t.at > farm_now() - interval '400 days' and t.at < farm_now() + interval '2 days'
    order by which, day
  loop
    perform make_history_day(past.which, past.day);
  end loop;
end
$$;

insert into jobs select * from jobs_before;
insert into leases
  select l.*, case when l.closed_at is null then (select min(r.at) from test_results_before r where r.lease_id = l.id) end
  from leases_before l;
insert into shopfloor_calls select * from shopfloor_calls_before;
insert into call_sends select * from call_sends_before;
insert into test_results select * from test_results_before;
insert into farm_events select * from farm_events_before;
select setval('test_result_ids', max(id)) from test_results_before having max(id) is not null;
select setval('farm_event_ids', max(id)) from farm_events_before having max(id) is not null;

alter table enqueue_requests drop constraint enqueue_requests_job_id_fkey;
alter table result_notes drop constraint result_notes_job_id_fkey;
drop table farm_events_before, test_results_before, call_sends_before, shopfloor_calls_before, leases_before, jobs_before;

-- Made when the rows are there. Those of the hot partitions serve the farm at work; those of history whoever looks something up.
alter table open_jobs
  add primary key (id),
  add foreign key (requirement_id) references requirements,
  add foreign key (device_id) references devices;
create index jobs_queue on open_jobs (requirement_id, priority, id)
  where state = 'QUEUED' and held_by is null and device_id is null and requested_bot_id is null;
create index jobs_queue_avoiding on open_jobs (requirement_id, priority, id)
  where state = 'QUEUED' and held_by is null and device_id is null and requested_bot_id is null and avoided_bots <> '{}';
create index jobs_queue_of_device on open_jobs (device_id, (gate_cleared_until is null), priority, id)
  where state = 'QUEUED' and held_by is null and device_id is not null;
create index jobs_queue_of_bot on open_jobs (instance, requested_bot_id, priority, id)
  where state = 'QUEUED' and held_by is null and device_id is null and requested_bot_id is not null;
create index jobs_held_of_device on open_jobs (device_id, id) where state = 'QUEUED' and held_by is not null;
create index jobs_gates on open_jobs (held_by, id) where state = 'QUEUED' and held_by in ('GATE_TURN', 'GATE');
create index jobs_oldest on open_jobs (instance, queued_at) where state = 'QUEUED' and held_by is null;
create index jobs_queue_deadline on open_jobs (queue_deadline) where state = 'QUEUED' and queue_deadline is not null;
create index jobs_match_deadline on open_jobs (match_deadline) where state = 'QUEUED' and match_deadline is not null;
create index jobs_expiry on open_jobs (expires_at) where expires_at is not null;
create index jobs_gate_lapse on open_jobs (gate_cleared_until) where state = 'QUEUED' and gate_cleared_until is not null;
create unique index jobs_reservation on open_jobs ((reservation ->> 'name')) where reservation is not null;
create index finished_jobs_by_id on finished_jobs (id);
create index finished_jobs_reservation on finished_jobs ((reservation ->> 'name')) where reservation is not null;
create index jobs_listing on jobs (instance, id desc);
create index jobs_of_device on jobs (device_id, id desc) where device_id is not null;

alter table open_leases
  add primary key (id),
  add foreign key (session_name) references bot_sessions,
  add foreign key (device_id) references devices;
create unique index leases_one_open_a_job on open_leases (job_id);
create unique index leases_one_open_a_device on open_leases (device_id) where device_id is not null;
create index leases_open_of_session on open_leases (session_name);
create index leases_pending on open_leases (granted_at) where state = 'PENDING';
create index leases_cancelling on open_leases (cancel_asked_at) where state = 'CANCELLING';
create index leases_execution on open_leases (execution_deadline) where state = 'ACTIVE' and execution_deadline is not null;
create index closed_leases_by_id on closed_leases (id);
create index closed_leases_of_job on closed_leases (job_id, attempt);
create index closed_leases_of_session on closed_leases (session_name);

alter table unsettled_calls
  add primary key (id),
  add constraint unsettled_calls_place unique (device_id, position),
  add foreign key (device_id) references lanes;
create index shopfloor_calls_unsettled on unsettled_calls (instance, owed_at);
create index shopfloor_calls_questions on unsettled_calls (device_id, position) where gate;
create index settled_calls_by_id on settled_calls (id);
create index settled_calls_place on settled_calls (device_id, position);
create index shopfloor_calls_listing on shopfloor_calls (instance, owed_at desc, device_id desc, position desc);
create index shopfloor_calls_of_job on shopfloor_calls (job_id, position);

alter table open_sends add primary key (call_id, number);
create index ended_sends_of_call on ended_sends (call_id, number);

-- A test's first result stands: what stands is read under the lock of its lease, and the doctor asks.
create index test_results_of_lease on test_results (lease_id, test_id);
create index test_results_of_job on test_results (job_id, id);

create index farm_events_order on farm_events (xact, id);
create index farm_events_of_job on farm_events (job_id, xact, id) where job_id is not null;

-- By whichever server: a lease that has results says so, until it is closed.
create function note_results() returns trigger language plpgsql as $$
begin
  update open_leases l set results_since = r.at
  from (select lease_id, min(at) as at from stored group by lease_id) r
  where l.id = r.lease_id and l.results_since is null;
  return null;
end
$$;
create trigger test_results_are_noted after insert on test_results
  referencing new table as stored for each statement execute function note_results();

-- As 0004 has it, but for the table in which what may be sent is found.
create or replace function refuse_paused_send() returns trigger language plpgsql as $$
begin
  if exists (
    select from (select distinct c.instance from journalled j join unsettled_calls c on c.id = j.call_id) told
    where bridge_is_paused(told.instance)) then
    raise exception 'The bridge is paused: the database was restored, and nobody has resumed it yet.'
      using errcode = '40001', hint = 'stationgrid bridge reconciliation, then stationgrid bridge resume';
  end if;
  return null;
end
$$;
create trigger call_sends_wait_for_reconciliation after insert on call_sends
  referencing new table as journalled for each statement execute function refuse_paused_send();

-- Nobody else ever analyses the parents of partitions.
analyze jobs, leases, shopfloor_calls, call_sends, test_results, farm_events;
