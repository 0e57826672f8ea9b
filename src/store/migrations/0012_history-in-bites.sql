-- History is looked after in bounded steps, whatever has gathered: a farm's statement has 5 s, and what cannot be done within them
-- would be tried, and fail, for ever. A day is counted in bites before it is dropped. What lies in no day is found by its time.
-- And the events of a DUT that belong to no job are found by the DUT.
-- Old servers survive this: they call the functions of before, which count what nobody has counted yet. New ones wait while indexes
-- are made; docs/how-to/upgrade.md says for how long.

create index finished_jobs_strays on finished_jobs_other (ended_at);
create index closed_leases_strays on closed_leases_other (closed_at);
create index settled_calls_strays on settled_calls_other (settled_at);
create index ended_sends_strays on ended_sends_other (ended_at);
create index test_results_strays on test_results_other (at);
create index farm_events_strays on farm_events_other (at);

create index farm_events_of_device on farm_events (device_id, at, id) where device_id is not null and job_id is null;

-- How far a day that is over has been counted. Its rows are as they will be: nothing ends there any more, and what has ended is
-- never written to.
create table day_counts (
  history text not null check (history_column(history) is not null),
  day date not null,
  -- Of its table, from the first.
  blocks bigint not null check (blocks >= 0),
  rows bigint not null check (rows >= 0),
  -- Null: no row of any job so far.
  last_job_id bigint,
  primary key (history, day)
);
create table day_job_counts (
  day date not null,
  instance text not null,
  station text not null,
  state text not null,
  n bigint not null check (n > 0),
  primary key (day, instance, station, state)
);

-- The table of a day; null: it has none. By what is attached, as a table of that name may be anybody's.
create function history_day(which text, day date) returns regclass
language sql stable set search_path = public, pg_temp as $$
  select i.inhrelid::regclass from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = to_regclass(which) and c.relname = which || to_char(day, '_YYYYMMDD')
$$;

create or replace function make_history_day(which text, day date) returns text
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '250ms' as $$
declare
  -- Who has no limit of time has none of these either: a person, at an hour when completions may wait.
  is_patient constant boolean := current_setting('statement_timeout') = '0';
  -- What is moved out of `_other` while completions may have to wait for it.
  moved_max constant bigint := 20000;
  -- PostgreSQL reads all of `_other` to be sure of a new day, while completions wait: 128 MiB.
  other_blocks_max constant bigint := 16384;
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
  if history_day(which, day) is not null then return 'THERE'; end if;
  if not is_patient and blocks_of(to_regclass(which || '_other')) > other_blocks_max then return 'FULL'; end if;
  -- Nobody may put a row of the day there from here on; who reads history waits as long.
  execute format('lock table %I in access exclusive mode', which || '_other');
  if not is_patient then
    execute format('select count(*) from (select from %I where %I >= $1 and %2$I < $2 limit $3) w', which || '_other', parted_by)
      into waiting using first, beyond, moved_max + 1;
    if waiting > moved_max then return 'FULL'; end if;
  end if;
  execute format('create table public.%I (like %I including all)', own_name, which);
  execute format('with moved as (delete from %I where %I >= $1 and %2$I < $2 returning *) insert into public.%I select * from moved',
                 which || '_other', parted_by, own_name) using first, beyond;
  execute format('alter table %I attach partition public.%I for values from (%L) to (%L)', which, own_name, first, beyond);
  -- Of one that was there before and that somebody has taken away.
  perform forget_day_counts(which, day);
  return 'MADE';
end
$$;

create function blocks_of(of_table regclass) returns bigint language sql volatile as $$
  select pg_relation_size(of_table) / current_setting('block_size')::bigint
$$;

create function forget_day_counts(which text, day date) returns void language sql set search_path = public, pg_temp as $$
  delete from day_counts c where c.history = which and c.day = forget_day_counts.day;
  delete from day_job_counts c where which = 'finished_jobs' and c.day = forget_day_counts.day;
$$;

create function refuse_young_day(which text, day date) returns void language plpgsql set search_path = public, pg_temp as $$
begin
  if history_column(which) is null or (day + 1)::timestamp at time zone 'UTC' > farm_now() - interval '1 day' then
    raise exception 'The history of % on % cannot be dropped: it is none, or younger than a day.', which, day using errcode = '22023';
  end if;
end
$$;

-- Counts so many blocks more. Returns how many are left.
create function count_bite(which text, day date, of_table regclass, blocks_max bigint) returns bigint
language plpgsql set search_path = public, pg_temp as $$
declare
  blocks_all constant bigint := blocks_of(of_table);
  counted bigint := 0;
  upto bigint;
  n bigint;
  newest bigint;
  bite text;
begin
  select c.blocks into counted from day_counts c where c.history = which and c.day = count_bite.day;
  counted := coalesce(counted, 0);
  upto := least(blocks_all, counted + blocks_max);
  bite := format('from %s where ctid >= %L::tid and ctid < %L::tid', of_table, format('(%s,0)', counted), format('(%s,0)', upto));
  if which = 'finished_jobs' then
    execute format(
      'with bite as (select instance, station, state, count(*) as n, max(id) as newest %s group by instance, station, state),
            kept as (
              insert into day_job_counts as c (day, instance, station, state, n) select $1, instance, station, state, n from bite
              on conflict on constraint day_job_counts_pkey do update set n = c.n + excluded.n)
       select coalesce(sum(n), 0), max(newest) from bite', bite) into n, newest using day;
  else
    execute format('select count(*), max(%s) %s', case which when 'ended_sends' then 'null::bigint' else 'job_id' end, bite)
      into n, newest;
  end if;
  insert into day_counts as c (history, day, blocks, rows, last_job_id) values (which, count_bite.day, upto, n, newest)
  on conflict on constraint day_counts_pkey do update
    set blocks = excluded.blocks, rows = c.rows + excluded.rows, last_job_id = greatest(c.last_job_id, excluded.last_job_id);
  return greatest(blocks_all - upto, 0);
end
$$;

-- A bite of a day that is over. Returns the blocks that are left; null: another is at work.
create function count_history_day(which text, day date) returns bigint
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '250ms' as $$
declare
  -- 16 MiB.
  bite_blocks constant bigint := 2048;
  of_table regclass;
begin
  perform refuse_young_day(which, day);
  if not pg_try_advisory_xact_lock(hashtextextended('history', 0)) then return null; end if;
  of_table := history_day(which, day);
  if of_table is null then return 0; end if;
  return count_bite(which, day, of_table, bite_blocks);
end
$$;

-- As before, but for what is counted already.
create or replace function drop_history_day(which text, day date) returns bigint
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '250ms' as $$
declare
  beyond constant timestamptz := (day + 1)::timestamp at time zone 'UTC';
  of_table regclass;
  holds record;
  dropped bigint;
begin
  perform refuse_young_day(which, day);
  if not pg_try_advisory_xact_lock(hashtextextended('history', 0)) then return null; end if;
  of_table := history_day(which, day);
  if of_table is null then return 0; end if;
  select * into holds from history_holds();
  if which = 'finished_jobs' and holds.owed_at < beyond or which <> 'finished_jobs' and holds.enqueued_at < beyond then
    return null;
  end if;
  -- The day is over: nobody writes, and who reads is not kept from it while the rest is counted.
  execute format('lock table %s in share mode', of_table);
  perform count_bite(which, day, of_table, blocks_of(of_table));
  if which = 'finished_jobs' then
    insert into tallies (family, instance, label, state, n)
    select f.family, c.instance, c.station, c.state, f.sign * c.n
    from day_job_counts c cross join (values ('job', -1), ('dropped', 1)) f(family, sign) where c.day = drop_history_day.day;
  end if;
  insert into dropped_days as d (history, day, rows, last_job_id)
  select c.history, c.day, c.rows, c.last_job_id from day_counts c where c.history = which and c.day = drop_history_day.day
  on conflict on constraint dropped_days_pkey do update
    set rows = d.rows + excluded.rows, last_job_id = greatest(d.last_job_id, excluded.last_job_id), dropped_at = excluded.dropped_at;
  select c.rows into dropped from day_counts c where c.history = which and c.day = drop_history_day.day;
  perform forget_day_counts(which, day);
  execute format('drop table %s', of_table);
  return dropped;
end
$$;
drop function count_dropped;
revoke execute on function count_history_day, count_bite, forget_day_counts from public;
