-- All migrations’ effect, written by test/store/schema.test.ts. Not run by anything.

CREATE OR REPLACE FUNCTION public.blocks_of(of_table regclass)
 RETURNS bigint
 LANGUAGE sql
AS $function$
  select pg_relation_size(of_table) / current_setting('block_size')::bigint
$function$;

CREATE OR REPLACE FUNCTION public.bridge_is_paused(asked text)
 RETURNS boolean
 LANGUAGE sql
AS $function$
  select coalesce((select max(number) from restores), 0)
           > coalesce((select restore from bridge_resumes where instance = asked), 0)
      or exists (select from farm_marks m where m.database_mark <> database_mark())
$function$;

CREATE OR REPLACE FUNCTION public.count_bite(which text, day date, of_table regclass, blocks_max bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.count_history_day(which text, day date)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET lock_timeout TO '250ms'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.database_mark()
 RETURNS text
 LANGUAGE plpgsql
AS $function$
begin
  return (select concat_ws('/', s.system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8), d.oid, c.oid)
          from pg_control_system() s
          join pg_database d on d.datname = current_database()
          join pg_class c on c.oid = 'farm_marks'::regclass);
exception when insufficient_privilege or feature_not_supported then
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.drop_history_day(which text, day date)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET lock_timeout TO '250ms'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.farm_now()
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$ select clock_timestamp() $function$;

CREATE OR REPLACE FUNCTION public.forget_day_counts(which text, day date)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'public', 'pg_temp'
AS $function$
  delete from day_counts c where c.history = which and c.day = forget_day_counts.day;
  delete from day_job_counts c where which = 'finished_jobs' and c.day = forget_day_counts.day;
$function$;

CREATE OR REPLACE FUNCTION public.history_column(which text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case which when 'finished_jobs' then 'ended_at' when 'closed_leases' then 'closed_at'
                    when 'settled_calls' then 'settled_at' when 'ended_sends' then 'ended_at'
                    when 'test_results' then 'at' when 'farm_events' then 'at' end
$function$;

CREATE OR REPLACE FUNCTION public.history_day(which text, day date)
 RETURNS regclass
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
  select i.inhrelid::regclass from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = to_regclass(which) and c.relname = which || to_char(day, '_YYYYMMDD')
$function$;

CREATE OR REPLACE FUNCTION public.history_holds(OUT owed_at timestamp with time zone, OUT enqueued_at timestamp with time zone)
 RETURNS record
 LANGUAGE sql
 STABLE
AS $function$
  with recursive of_instances as (
    (select c.instance, c.owed_at from unsettled_calls c order by c.instance, c.owed_at limit 1)
    union all
    select n.* from of_instances i cross join lateral (
      select c.instance, c.owed_at from unsettled_calls c where c.instance > i.instance
      order by c.instance, c.owed_at limit 1) n)
  select (select min(o.owed_at) from of_instances o),
         (select j.enqueued_at from jobs j where j.id = (select min(id) from jobs))
$function$;

CREATE OR REPLACE FUNCTION public.keep_bot_token()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_op = 'DELETE' or old.revoked_at is not null or new.expires_at > old.expires_at
    or (new.id, new.instance, new.bot_id, new.secret_sha256, new.created_at, new.created_by)
      is distinct from (old.id, old.instance, old.bot_id, old.secret_sha256, old.created_at, old.created_by) then
    raise exception 'a bot token can only be ended sooner';
  end if;
  new.changed_xact := pg_current_xact_id();
  return new;
end $function$;

CREATE OR REPLACE FUNCTION public.make_history_day(which text, day date)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET lock_timeout TO '250ms'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.note_results()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  update open_leases l set results_since = r.at
  from (select lease_id, min(at) as at from stored group by lease_id) r
  where l.id = r.lease_id and l.results_since is null;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.refuse_audit_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'The audit is only ever added to: % is refused.', tg_op using errcode = '42501';
end
$function$;

CREATE OR REPLACE FUNCTION public.refuse_note_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'Notes on results are only ever added to: % is refused.', tg_op using errcode = '42501';
end
$function$;

CREATE OR REPLACE FUNCTION public.refuse_paused_send()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if exists (
    select from (select distinct c.instance from journalled j join unsettled_calls c on c.id = j.call_id) told
    where bridge_is_paused(told.instance)) then
    raise exception 'The bridge is paused: the database was restored, and nobody has resumed it yet.'
      using errcode = '40001', hint = 'stationgrid bridge reconciliation, then stationgrid bridge resume';
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.refuse_young_day(which text, day date)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if history_column(which) is null or (day + 1)::timestamp at time zone 'UTC' > farm_now() - interval '1 day' then
    raise exception 'The history of % on % cannot be dropped: it is none, or younger than a day.', which, day using errcode = '22023';
  end if;
end
$function$;

create sequence farm_event_ids as bigint increment 1 start 1;

create sequence job_ids as bigint increment 1 start 1;

create sequence test_result_ids as bigint increment 1 start 1;

create table audit (
  replica uuid not null,
  seq bigint not null,
  text text not null,
  previous text not null,
  hash text not null,
  recorded_at timestamp with time zone default farm_now() not null,
  constraint audit_hash_check CHECK ((hash ~ '^[0-9a-f]{64}$'::text)),
  constraint audit_pkey PRIMARY KEY (replica, seq),
  constraint audit_previous_check CHECK ((previous ~ '^[0-9a-f]{64}$'::text)),
  constraint audit_seq_check CHECK ((seq >= 1))
);

create table bot_events (
  id bigint generated always as identity not null,
  instance text not null,
  bot_id text not null,
  session_name text not null,
  type integer not null,
  message text not null,
  at timestamp with time zone default farm_now() not null,
  constraint bot_events_pkey PRIMARY KEY (id)
);

create table bot_sessions (
  name text not null,
  instance text not null,
  bot_id text not null,
  state text not null,
  closed_reason text,
  closed_at timestamp with time zone,
  status integer not null,
  version text default ''::text not null,
  capacity integer not null,
  leases_allowed integer default 0 not null,
  properties jsonb not null,
  device_ids bigint[] default '{}'::bigint[] not null,
  peer text default ''::text not null,
  home_replica uuid not null,
  attach_epoch bigint default 1 not null,
  created_at timestamp with time zone default farm_now() not null,
  seen_at timestamp with time zone default farm_now() not null,
  expires_at timestamp with time zone not null,
  constraint bot_sessions_capacity_check CHECK ((capacity >= 0)),
  constraint bot_sessions_check CHECK (((state = 'CLOSED'::text) = (closed_reason IS NOT NULL))),
  constraint bot_sessions_check1 CHECK (((state = 'CLOSED'::text) = (closed_at IS NOT NULL))),
  constraint bot_sessions_instance_bot_id_fkey FOREIGN KEY (instance, bot_id) REFERENCES bots(instance, bot_id),
  constraint bot_sessions_pkey PRIMARY KEY (name),
  constraint bot_sessions_state_check CHECK ((state = ANY (ARRAY['OPEN'::text, 'LAPSED'::text, 'CLOSED'::text])))
);

create table bot_tokens (
  id uuid not null,
  instance text not null,
  bot_id text not null,
  secret_sha256 bytea not null,
  created_at timestamp with time zone default farm_now() not null,
  created_by text not null,
  expires_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  revoked_by text,
  changed_xact xid8 default pg_current_xact_id() not null,
  constraint bot_tokens_bot_id_check CHECK ((bot_id <> ''::text)),
  constraint bot_tokens_check CHECK (((revoked_at IS NULL) = (revoked_by IS NULL))),
  constraint bot_tokens_pkey PRIMARY KEY (id),
  constraint bot_tokens_secret_sha256_check CHECK ((octet_length(secret_sha256) = 32))
);

create table bots (
  instance text not null,
  bot_id text not null,
  quarantine_reason text,
  quarantined_at timestamp with time zone,
  error_events integer default 0 not null,
  takeovers jsonb default '[]'::jsonb not null,
  first_seen_at timestamp with time zone default farm_now() not null,
  constraint bots_check CHECK (((quarantine_reason IS NULL) = (quarantined_at IS NULL))),
  constraint bots_error_events_check CHECK ((error_events >= 0)),
  constraint bots_pkey PRIMARY KEY (instance, bot_id)
);

create table bridge_resumes (
  instance text not null,
  restore integer not null,
  resumed_at timestamp with time zone default farm_now() not null,
  reason text not null,
  constraint bridge_resumes_pkey PRIMARY KEY (instance),
  constraint bridge_resumes_restore_fkey FOREIGN KEY (restore) REFERENCES restores(number)
);

create table call_sends (
  call_id uuid not null,
  number integer not null,
  replica uuid not null,
  sent_at timestamp with time zone default farm_now() not null,
  ended_at timestamp with time zone,
  outcome text,
  words text,
  constraint call_sends_check CHECK (((ended_at IS NULL) = (outcome IS NULL))),
  constraint call_sends_outcome_check CHECK ((outcome = ANY (ARRAY['answered'::text, 'fault'::text, 'refused'::text, 'ambiguous'::text])))
) partition by LIST (outcome);

create table closed_leases partition of leases (

) FOR VALUES IN ('COMPLETED', 'CANCELLED', 'REFUSED', 'WITHDRAWN', 'LOST') partition by RANGE (closed_at);

create table closed_leases_other partition of closed_leases (

) DEFAULT;

create table day_counts (
  history text not null,
  day date not null,
  blocks bigint not null,
  rows bigint not null,
  last_job_id bigint,
  constraint day_counts_blocks_check CHECK ((blocks >= 0)),
  constraint day_counts_history_check CHECK ((history_column(history) IS NOT NULL)),
  constraint day_counts_pkey PRIMARY KEY (history, day),
  constraint day_counts_rows_check CHECK ((rows >= 0))
);

create table day_job_counts (
  day date not null,
  instance text not null,
  station text not null,
  state text not null,
  n bigint not null,
  constraint day_job_counts_n_check CHECK ((n > 0)),
  constraint day_job_counts_pkey PRIMARY KEY (day, instance, station, state)
);

create table device_serials (
  instance text not null,
  name text not null,
  value text not null,
  device_id bigint not null,
  added bigint generated always as identity not null,
  constraint device_serials_device_id_fkey FOREIGN KEY (device_id) REFERENCES devices(id),
  constraint device_serials_pkey PRIMARY KEY (instance, name, value)
);

create table devices (
  id bigint generated always as identity not null,
  instance text not null,
  data jsonb default '{}'::jsonb not null,
  held_reason text,
  settling_until timestamp with time zone,
  settling_reason text,
  created_at timestamp with time zone default farm_now() not null,
  constraint devices_check CHECK (((settling_until IS NULL) = (settling_reason IS NULL))),
  constraint devices_pkey PRIMARY KEY (id)
);

create table drains (
  instance text not null,
  pattern text not null,
  note text not null,
  created_at timestamp with time zone default farm_now() not null,
  expires_at timestamp with time zone,
  constraint drains_pkey PRIMARY KEY (instance, pattern)
);

create table dropped_days (
  history text not null,
  day date not null,
  rows bigint not null,
  last_job_id bigint,
  dropped_at timestamp with time zone default farm_now() not null,
  constraint dropped_days_history_check CHECK ((history_column(history) IS NOT NULL)),
  constraint dropped_days_pkey PRIMARY KEY (history, day),
  constraint dropped_days_rows_check CHECK ((rows >= 0))
);

create table ended_sends partition of call_sends (

) FOR VALUES IN ('answered', 'fault', 'refused', 'ambiguous') partition by RANGE (ended_at);

create table ended_sends_other partition of ended_sends (

) DEFAULT;

create table enqueue_requests (
  instance text not null,
  request_id text not null,
  fingerprint text not null,
  job_id bigint not null,
  at timestamp with time zone default farm_now() not null,
  constraint enqueue_requests_pkey PRIMARY KEY (instance, request_id)
);

create table farm_events (
  xact xid8 default pg_current_xact_id() not null,
  id bigint default nextval('farm_event_ids'::regclass) not null,
  at timestamp with time zone default farm_now() not null,
  kind text not null,
  instance text not null,
  job_id bigint,
  lease_id uuid,
  bot_id text,
  device_id bigint,
  facts jsonb default '{}'::jsonb not null
) partition by RANGE (at);

create table farm_events_other partition of farm_events (

) DEFAULT;

create table farm_marks (
  "only" boolean default true not null,
  amnesty_until timestamp with time zone default '-infinity'::timestamp with time zone not null,
  database_mark text,
  constraint farm_marks_only_check CHECK ("only"),
  constraint farm_marks_pkey PRIMARY KEY ("only")
);

create table finished_jobs partition of jobs (

) FOR VALUES IN ('FINISHED', 'FAILED', 'CANCELLED') partition by RANGE (ended_at);

create table finished_jobs_other partition of finished_jobs (

) DEFAULT;

create table jobs (
  id bigint default nextval('job_ids'::regclass) not null,
  instance text not null,
  request_id text not null,
  state text not null,
  held_by text,
  held_reason text,
  station text default ''::text not null,
  work jsonb,
  payload_type text,
  payload bytea,
  requirement_id bigint not null,
  device_id bigint,
  requested_bot_id text,
  priority integer default 0 not null,
  route text,
  on_failed text default 'stop'::text not null,
  attempts integer default 0 not null,
  attempts_max integer not null,
  refusals integer default 0 not null,
  avoided_bots text[] default '{}'::text[] not null,
  gate_cleared_until timestamp with time zone,
  bot_id text,
  cancel_reason text,
  verdict text,
  failure text,
  lease_code integer,
  reason text,
  result_type text,
  result bytea,
  reservation jsonb,
  queue_deadline timestamp with time zone,
  match_deadline timestamp with time zone,
  execution_timeout_ms bigint,
  expires_at timestamp with time zone,
  enqueued_at timestamp with time zone default farm_now() not null,
  queued_at timestamp with time zone default farm_now() not null,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  traceparent text,
  constraint jobs_attempts_check CHECK ((attempts >= 0)),
  constraint jobs_attempts_max_check CHECK ((attempts_max > 0)),
  constraint jobs_check CHECK (((work IS NULL) <> (payload_type IS NULL))),
  constraint jobs_check1 CHECK (((payload_type IS NULL) = (payload IS NULL))),
  constraint jobs_check2 CHECK (((held_by IS NULL) = (held_reason IS NULL))),
  constraint jobs_check3 CHECK (((held_by IS NULL) OR (state = 'QUEUED'::text))),
  constraint jobs_check4 CHECK (((verdict IS NULL) OR (state = 'FINISHED'::text))),
  constraint jobs_check5 CHECK (((failure IS NOT NULL) = (state = 'FAILED'::text))),
  constraint jobs_check6 CHECK (((ended_at IS NOT NULL) = (state = ANY (ARRAY['FINISHED'::text, 'FAILED'::text, 'CANCELLED'::text])))),
  constraint jobs_check7 CHECK (((route IS NULL) OR (device_id IS NOT NULL))),
  constraint jobs_held_by_check CHECK ((held_by = ANY (ARRAY['ROUTE'::text, 'ROUTE_STOPPED'::text, 'GATE_TURN'::text, 'GATE'::text, 'GATE_REFUSED'::text, 'DEVICE'::text, 'ACTION'::text]))),
  constraint jobs_on_failed_check CHECK ((on_failed = ANY (ARRAY['stop'::text, 'continue'::text]))),
  constraint jobs_priority_check CHECK (((priority >= '-1000000'::integer) AND (priority <= 1000000))),
  constraint jobs_refusals_check CHECK ((refusals >= 0)),
  constraint jobs_state_check CHECK ((state = ANY (ARRAY['QUEUED'::text, 'LEASED'::text, 'CANCELLING'::text, 'FINISHED'::text, 'FAILED'::text, 'CANCELLED'::text]))),
  constraint jobs_verdict_check CHECK ((verdict = ANY (ARRAY['PASSED'::text, 'FAILED'::text])))
) partition by LIST (state);

create table lanes (
  device_id bigint not null,
  instance text not null,
  next_position bigint default 1 not null,
  head_position bigint default 1 not null,
  due_at timestamp with time zone,
  blocked boolean default false not null,
  owner uuid,
  owner_epoch bigint default 0 not null,
  owned_until timestamp with time zone,
  constraint lanes_check CHECK (((head_position >= 1) AND (head_position <= next_position))),
  constraint lanes_check1 CHECK (((due_at IS NULL) OR ((head_position < next_position) AND (NOT blocked)))),
  constraint lanes_device_id_fkey FOREIGN KEY (device_id) REFERENCES devices(id),
  constraint lanes_pkey PRIMARY KEY (device_id)
);

create table leases (
  id uuid not null,
  job_id bigint not null,
  instance text not null,
  session_name text,
  bot_id text not null,
  device_id bigint,
  station text not null,
  state text not null,
  attempt integer not null,
  gated boolean default false not null,
  work jsonb,
  lost_after_ms bigint not null,
  granted_at timestamp with time zone default farm_now() not null,
  echoed_at timestamp with time zone,
  absent_at timestamp with time zone,
  started_at timestamp with time zone,
  cancel_asked_at timestamp with time zone,
  execution_deadline timestamp with time zone,
  closed_at timestamp with time zone,
  closed_reason text,
  results_since timestamp with time zone,
  constraint leases_attempt_check CHECK ((attempt > 0)),
  constraint leases_check CHECK (((closed_at IS NOT NULL) = (state <> ALL (ARRAY['PENDING'::text, 'ACTIVE'::text, 'CANCELLING'::text])))),
  constraint leases_check1 CHECK (((state <> 'ACTIVE'::text) OR (started_at IS NOT NULL))),
  constraint leases_state_check CHECK ((state = ANY (ARRAY['PENDING'::text, 'ACTIVE'::text, 'CANCELLING'::text, 'COMPLETED'::text, 'CANCELLED'::text, 'REFUSED'::text, 'WITHDRAWN'::text, 'LOST'::text])))
) partition by LIST (state);

create table open_jobs partition of jobs (
  constraint open_jobs_device_id_fkey FOREIGN KEY (device_id) REFERENCES devices(id),
  constraint open_jobs_pkey PRIMARY KEY (id),
  constraint open_jobs_requirement_id_fkey FOREIGN KEY (requirement_id) REFERENCES requirements(id)
) FOR VALUES IN ('QUEUED', 'LEASED', 'CANCELLING');

create table open_leases partition of leases (
  constraint open_leases_device_id_fkey FOREIGN KEY (device_id) REFERENCES devices(id),
  constraint open_leases_pkey PRIMARY KEY (id),
  constraint open_leases_session_name_fkey FOREIGN KEY (session_name) REFERENCES bot_sessions(name)
) FOR VALUES IN ('PENDING', 'ACTIVE', 'CANCELLING');

create table open_sends partition of call_sends (
  constraint open_sends_pkey PRIMARY KEY (call_id, number)
) FOR VALUES IN (NULL);

create table parameter_activations (
  number bigint generated always as identity not null,
  depot text not null,
  path text not null,
  version integer not null,
  reason text not null,
  activated_by text not null,
  activated_at timestamp with time zone default farm_now() not null,
  constraint parameter_activations_depot_path_version_fkey FOREIGN KEY (depot, path, version) REFERENCES parameter_versions(depot, path, version),
  constraint parameter_activations_pkey PRIMARY KEY (number)
);

create table parameter_versions (
  depot text not null,
  path text not null,
  version integer not null,
  instance text not null,
  bytes bigint not null,
  sha256 bytea not null,
  origin text not null,
  note text not null,
  made_by text not null,
  made_at timestamp with time zone default farm_now() not null,
  constraint parameter_versions_bytes_check CHECK ((bytes >= 0)),
  constraint parameter_versions_depot_check CHECK ((depot <> ''::text)),
  constraint parameter_versions_depot_path_sha256_key UNIQUE (depot, path, sha256),
  constraint parameter_versions_origin_check CHECK ((origin = ANY (ARRAY['UPLOADED'::text, 'FOUND'::text]))),
  constraint parameter_versions_path_check CHECK (((path <> ''::text) AND (path !~ '(^|/)\.\.?(/|$)'::text) AND (path !~ '^/'::text))),
  constraint parameter_versions_pkey PRIMARY KEY (depot, path, version),
  constraint parameter_versions_sha256_check CHECK ((octet_length(sha256) = 32)),
  constraint parameter_versions_version_check CHECK ((version > 0))
);

create table quarantined_events (
  id bigint generated always as identity not null,
  instance text not null,
  sha256 bytea not null,
  bytes bigint not null,
  reason text not null,
  node_id text,
  peer text not null,
  event bytea,
  path text,
  attachments jsonb default '{}'::jsonb not null,
  times bigint default 1 not null,
  first_at timestamp with time zone default farm_now() not null,
  last_at timestamp with time zone default farm_now() not null,
  constraint quarantined_events_bytes_check CHECK ((bytes >= 0)),
  constraint quarantined_events_check CHECK (((event IS NULL) = (path IS NOT NULL))),
  constraint quarantined_events_instance_sha256_key UNIQUE (instance, sha256),
  constraint quarantined_events_pkey PRIMARY KEY (id),
  constraint quarantined_events_reason_check CHECK ((reason <> ''::text)),
  constraint quarantined_events_sha256_check CHECK ((octet_length(sha256) = 32))
);

create table replicas (
  id uuid not null,
  started_at timestamp with time zone default farm_now() not null,
  last_seen_at timestamp with time zone default farm_now() not null,
  constraint replicas_pkey PRIMARY KEY (id)
);

create table requirements (
  id bigint generated always as identity not null,
  instance text not null,
  canon text not null,
  constraints jsonb not null,
  constraint requirements_instance_canon_key UNIQUE (instance, canon),
  constraint requirements_pkey PRIMARY KEY (id)
);

create table restores (
  number integer not null,
  noticed_at timestamp with time zone default farm_now() not null,
  cause text not null,
  last_fact_at timestamp with time zone,
  job_ids_skipped_from bigint not null,
  job_ids_skipped bigint not null,
  constraint restores_cause_check CHECK ((cause = ANY (ARRAY['PROMOTED'::text, 'MOVED'::text, 'SAID'::text]))),
  constraint restores_job_ids_skipped_check CHECK ((job_ids_skipped > 0)),
  constraint restores_number_check CHECK ((number > 0)),
  constraint restores_pkey PRIMARY KEY (number)
);

create table result_notes (
  id bigint generated always as identity not null,
  job_id bigint not null,
  at timestamp with time zone default farm_now() not null,
  author text not null,
  note text not null,
  constraint result_notes_author_check CHECK ((author <> ''::text)),
  constraint result_notes_note_check CHECK ((note <> ''::text)),
  constraint result_notes_pkey PRIMARY KEY (id)
);

create table schema_migrations (
  number integer not null,
  name text not null,
  sha256 text not null,
  applied_at timestamp with time zone default clock_timestamp() not null,
  constraint schema_migrations_pkey PRIMARY KEY (number)
);

create table settled_calls partition of shopfloor_calls (

) FOR VALUES IN ('DELIVERED', 'GATE_REFUSED', 'SKIPPED') partition by RANGE (settled_at);

create table settled_calls_other partition of settled_calls (

) DEFAULT;

create table shopfloor_calls (
  id uuid not null,
  instance text not null,
  device_id bigint not null,
  "position" bigint not null,
  job_id bigint,
  lease_id uuid,
  attempt integer default 0 not null,
  method text not null,
  station text not null,
  test_id text,
  status text,
  event text,
  details jsonb,
  gate boolean default false not null,
  state text default 'OWED'::text not null,
  body text,
  sends integer default 0 not null,
  faults integer default 0 not null,
  ambiguous boolean default false not null,
  last_error text,
  answer jsonb,
  action text,
  skip_reason text,
  owed_at timestamp with time zone default farm_now() not null,
  settled_at timestamp with time zone,
  said jsonb,
  traceparent text,
  constraint shopfloor_calls_check CHECK (((settled_at IS NOT NULL) = (state = ANY (ARRAY['DELIVERED'::text, 'GATE_REFUSED'::text, 'SKIPPED'::text])))),
  constraint shopfloor_calls_check1 CHECK (((skip_reason IS NOT NULL) = (state = 'SKIPPED'::text))),
  constraint shopfloor_calls_check2 CHECK ((((test_id IS NOT NULL) AND (status IS NOT NULL)) = (method = 'UpdateTestResult'::text))),
  constraint shopfloor_calls_check3 CHECK (((event IS NOT NULL) = (method = 'NotifyEvent'::text))),
  constraint shopfloor_calls_check4 CHECK (((state = 'OWED'::text) OR (state = 'SKIPPED'::text) OR (body IS NOT NULL))),
  constraint shopfloor_calls_method_check CHECK ((method = ANY (ARRAY['NotifyStart'::text, 'UpdateTestResult'::text, 'NotifyEnd'::text, 'NotifyEvent'::text]))),
  constraint shopfloor_calls_position_check CHECK (("position" > 0)),
  constraint shopfloor_calls_state_check CHECK ((state = ANY (ARRAY['OWED'::text, 'DELIVERED'::text, 'GATE_REFUSED'::text, 'DEAD'::text, 'SKIPPED'::text])))
) partition by LIST (state);

create table tallies (
  id bigint generated always as identity not null,
  family text not null,
  instance text not null,
  label text not null,
  state text not null,
  n bigint not null,
  constraint tallies_pkey PRIMARY KEY (id)
);

create table test_results (
  id bigint default nextval('test_result_ids'::regclass) not null,
  job_id bigint not null,
  lease_id uuid not null,
  attempt integer not null,
  test_id text not null,
  status text not null,
  result jsonb not null,
  stale boolean default false not null,
  at timestamp with time zone default farm_now() not null,
  constraint test_results_status_check CHECK ((status = ANY (ARRAY['PASSED'::text, 'FAILED'::text, 'SKIPPED'::text, 'FAILED_AND_WAIVED'::text])))
) partition by RANGE (at);

create table test_results_other partition of test_results (

) DEFAULT;

create table testlog_events (
  instance text not null,
  uuid text not null,
  number bigint generated always as identity not null,
  type text not null,
  device_id bigint,
  test_run_id text,
  received_at timestamp with time zone default farm_now() not null,
  dut_time double precision not null,
  node_id text,
  peer text not null,
  event jsonb not null,
  attachments jsonb default '{}'::jsonb not null,
  constraint testlog_events_check CHECK (((test_run_id IS NOT NULL) OR (type <> 'station.test_run'::text))),
  constraint testlog_events_device_id_fkey FOREIGN KEY (device_id) REFERENCES devices(id),
  constraint testlog_events_pkey PRIMARY KEY (instance, uuid),
  constraint testlog_events_type_check CHECK ((type = ANY (ARRAY['station.test_run'::text, 'station.status'::text, 'station.init'::text, 'station.message'::text]))),
  constraint testlog_events_uuid_check CHECK ((uuid <> ''::text))
);

create table testlog_runs (
  instance text not null,
  test_run_id text not null,
  uuid text not null,
  device_id bigint,
  test_name text not null,
  test_type text not null,
  status text not null,
  progress smallint not null,
  seq bigint,
  dut_time double precision not null,
  started_at double precision not null,
  ended_at double precision,
  duration_s double precision,
  job_id bigint,
  lease_id uuid,
  received_at timestamp with time zone default farm_now() not null,
  constraint testlog_runs_check CHECK (((job_id IS NULL) = (lease_id IS NULL))),
  constraint testlog_runs_device_id_fkey FOREIGN KEY (device_id) REFERENCES devices(id),
  constraint testlog_runs_pkey PRIMARY KEY (instance, test_run_id),
  constraint testlog_runs_status_check CHECK ((status = ANY (ARRAY['STARTING'::text, 'RUNNING'::text, 'UNKNOWN'::text, 'PASS'::text, 'FAIL'::text]))),
  constraint testlog_runs_test_run_id_check CHECK ((test_run_id <> ''::text))
);

create table unsettled_calls partition of shopfloor_calls (
  constraint unsettled_calls_device_id_fkey FOREIGN KEY (device_id) REFERENCES lanes(device_id),
  constraint unsettled_calls_pkey PRIMARY KEY (id),
  constraint unsettled_calls_place UNIQUE (device_id, "position")
) FOR VALUES IN ('OWED', 'DEAD');

create table uploads (
  id uuid not null,
  number bigint generated always as identity not null,
  depot text not null,
  instance text not null,
  kind text not null,
  path text not null,
  starts_at bigint,
  bytes bigint not null,
  sha256 bytea not null,
  serial text,
  stage text,
  report_name text,
  peer text not null,
  received_at timestamp with time zone default farm_now() not null,
  adopted boolean default false not null,
  constraint uploads_bytes_check CHECK ((bytes >= 0)),
  constraint uploads_check CHECK (((starts_at IS NULL) = (kind = ANY (ARRAY['REPORT'::text, 'AUX_LOG'::text, 'ATTACHMENT'::text])))),
  constraint uploads_depot_check CHECK ((depot <> ''::text)),
  constraint uploads_kind_check CHECK ((kind = ANY (ARRAY['REPORT'::text, 'AUX_LOG'::text, 'EVENT_LOG'::text, 'CSV'::text, 'ATTACHMENT'::text]))),
  constraint uploads_path_check CHECK (((path <> ''::text) AND (path !~ '(^|/)\.\.?(/|$)'::text) AND (path !~ '^/'::text))),
  constraint uploads_pkey PRIMARY KEY (id),
  constraint uploads_sha256_check CHECK ((octet_length(sha256) = 32)),
  constraint uploads_starts_at_check CHECK ((starts_at >= 0))
);

CREATE INDEX audit_chains ON public.audit USING btree (recorded_at, replica) WHERE (seq = 1);

CREATE INDEX audit_recorded ON public.audit USING btree (recorded_at, replica, seq);

CREATE INDEX bot_events_by_bot ON public.bot_events USING btree (instance, bot_id, id DESC);

CREATE INDEX bot_sessions_closed ON public.bot_sessions USING btree (closed_at) WHERE (state = 'CLOSED'::text);

CREATE INDEX bot_sessions_devices ON public.bot_sessions USING gin (device_ids) WHERE (state <> 'CLOSED'::text);

CREATE INDEX bot_sessions_expiry ON public.bot_sessions USING btree (expires_at) WHERE (state <> 'CLOSED'::text);

CREATE INDEX bot_sessions_latest ON public.bot_sessions USING btree (instance, bot_id, created_at DESC);

CREATE UNIQUE INDEX bot_sessions_one_live ON public.bot_sessions USING btree (instance, bot_id) WHERE (state <> 'CLOSED'::text);

CREATE INDEX bot_tokens_changed ON public.bot_tokens USING btree (changed_xact);

CREATE INDEX bot_tokens_of_bot ON public.bot_tokens USING btree (instance, bot_id, created_at DESC, id);

CREATE INDEX bots_quarantined ON public.bots USING btree (instance, bot_id) WHERE (quarantine_reason IS NOT NULL);

CREATE INDEX closed_leases_by_id ON ONLY public.closed_leases USING btree (id);

CREATE INDEX closed_leases_of_job ON ONLY public.closed_leases USING btree (job_id, attempt);

CREATE INDEX closed_leases_of_session ON ONLY public.closed_leases USING btree (session_name);

CREATE INDEX closed_leases_strays ON public.closed_leases_other USING btree (closed_at);

CREATE INDEX device_serials_of ON public.device_serials USING btree (device_id);

CREATE INDEX device_serials_value ON public.device_serials USING btree (instance, value);

CREATE INDEX ended_sends_of_call ON ONLY public.ended_sends USING btree (call_id, number);

CREATE INDEX ended_sends_strays ON public.ended_sends_other USING btree (ended_at);

CREATE INDEX enqueue_requests_age ON public.enqueue_requests USING btree (at);

CREATE INDEX farm_events_of_device ON ONLY public.farm_events USING btree (device_id, at, id) WHERE ((device_id IS NOT NULL) AND (job_id IS NULL));

CREATE INDEX farm_events_of_job ON ONLY public.farm_events USING btree (job_id, xact, id) WHERE (job_id IS NOT NULL);

CREATE INDEX farm_events_order ON ONLY public.farm_events USING btree (xact, id);

CREATE INDEX farm_events_strays ON public.farm_events_other USING btree (at);

CREATE INDEX finished_jobs_by_id ON ONLY public.finished_jobs USING btree (id);

CREATE INDEX finished_jobs_reservation ON ONLY public.finished_jobs USING btree (((reservation ->> 'name'::text))) WHERE (reservation IS NOT NULL);

CREATE INDEX finished_jobs_strays ON public.finished_jobs_other USING btree (ended_at);

CREATE INDEX jobs_listing ON ONLY public.jobs USING btree (instance, id DESC);

CREATE INDEX jobs_of_device ON ONLY public.jobs USING btree (device_id, id DESC) WHERE (device_id IS NOT NULL);

CREATE INDEX lanes_due ON public.lanes USING btree (instance, due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX lanes_listing ON public.lanes USING btree (instance, blocked DESC, device_id DESC);

CREATE INDEX jobs_expiry ON public.open_jobs USING btree (expires_at) WHERE (expires_at IS NOT NULL);

CREATE INDEX jobs_gate_lapse ON public.open_jobs USING btree (gate_cleared_until) WHERE ((state = 'QUEUED'::text) AND (gate_cleared_until IS NOT NULL));

CREATE INDEX jobs_gates ON public.open_jobs USING btree (held_by, id) WHERE ((state = 'QUEUED'::text) AND (held_by = ANY (ARRAY['GATE_TURN'::text, 'GATE'::text])));

CREATE INDEX jobs_held_of_device ON public.open_jobs USING btree (device_id, id) WHERE ((state = 'QUEUED'::text) AND (held_by IS NOT NULL));

CREATE INDEX jobs_match_deadline ON public.open_jobs USING btree (match_deadline) WHERE ((state = 'QUEUED'::text) AND (match_deadline IS NOT NULL));

CREATE INDEX jobs_oldest ON public.open_jobs USING btree (instance, queued_at) WHERE ((state = 'QUEUED'::text) AND (held_by IS NULL));

CREATE INDEX jobs_queue ON public.open_jobs USING btree (requirement_id, priority, id) WHERE ((state = 'QUEUED'::text) AND (held_by IS NULL) AND (device_id IS NULL) AND (requested_bot_id IS NULL));

CREATE INDEX jobs_queue_avoiding ON public.open_jobs USING btree (requirement_id, priority, id) WHERE ((state = 'QUEUED'::text) AND (held_by IS NULL) AND (device_id IS NULL) AND (requested_bot_id IS NULL) AND (avoided_bots <> '{}'::text[]));

CREATE INDEX jobs_queue_deadline ON public.open_jobs USING btree (queue_deadline) WHERE ((state = 'QUEUED'::text) AND (queue_deadline IS NOT NULL));

CREATE INDEX jobs_queue_of_bot ON public.open_jobs USING btree (instance, requested_bot_id, priority, id) WHERE ((state = 'QUEUED'::text) AND (held_by IS NULL) AND (device_id IS NULL) AND (requested_bot_id IS NOT NULL));

CREATE INDEX jobs_queue_of_device ON public.open_jobs USING btree (device_id, ((gate_cleared_until IS NULL)), priority, id) WHERE ((state = 'QUEUED'::text) AND (held_by IS NULL) AND (device_id IS NOT NULL));

CREATE UNIQUE INDEX jobs_reservation ON public.open_jobs USING btree (((reservation ->> 'name'::text))) WHERE (reservation IS NOT NULL);

CREATE INDEX leases_cancelling ON public.open_leases USING btree (cancel_asked_at) WHERE (state = 'CANCELLING'::text);

CREATE INDEX leases_execution ON public.open_leases USING btree (execution_deadline) WHERE ((state = 'ACTIVE'::text) AND (execution_deadline IS NOT NULL));

CREATE UNIQUE INDEX leases_one_open_a_device ON public.open_leases USING btree (device_id) WHERE (device_id IS NOT NULL);

CREATE UNIQUE INDEX leases_one_open_a_job ON public.open_leases USING btree (job_id);

CREATE INDEX leases_open_of_session ON public.open_leases USING btree (session_name);

CREATE INDEX leases_pending ON public.open_leases USING btree (granted_at) WHERE (state = 'PENDING'::text);

CREATE INDEX parameter_activations_of_path ON public.parameter_activations USING btree (depot, path, number DESC);

CREATE INDEX quarantined_events_last ON public.quarantined_events USING btree (last_at);

CREATE INDEX result_notes_of_job ON public.result_notes USING btree (job_id, id);

CREATE INDEX settled_calls_by_id ON ONLY public.settled_calls USING btree (id);

CREATE INDEX settled_calls_place ON ONLY public.settled_calls USING btree (device_id, "position");

CREATE INDEX settled_calls_strays ON public.settled_calls_other USING btree (settled_at);

CREATE INDEX shopfloor_calls_listing ON ONLY public.shopfloor_calls USING btree (instance, owed_at DESC, device_id DESC, "position" DESC);

CREATE INDEX shopfloor_calls_of_job ON ONLY public.shopfloor_calls USING btree (job_id, "position");

CREATE INDEX test_results_of_job ON ONLY public.test_results USING btree (job_id, id);

CREATE INDEX test_results_of_lease ON ONLY public.test_results USING btree (lease_id, test_id);

CREATE INDEX test_results_strays ON public.test_results_other USING btree (at);

CREATE INDEX testlog_events_of_device ON public.testlog_events USING btree (device_id, number) WHERE (device_id IS NOT NULL);

CREATE INDEX testlog_events_of_run ON public.testlog_events USING btree (instance, test_run_id) WHERE (test_run_id IS NOT NULL);

CREATE INDEX testlog_events_received ON public.testlog_events USING btree (received_at);

CREATE INDEX testlog_runs_of_device ON public.testlog_runs USING btree (device_id, received_at) WHERE (device_id IS NOT NULL);

CREATE INDEX testlog_runs_received ON public.testlog_runs USING btree (received_at);

CREATE INDEX shopfloor_calls_questions ON public.unsettled_calls USING btree (device_id, "position") WHERE gate;

CREATE INDEX shopfloor_calls_unsettled ON public.unsettled_calls USING btree (instance, owed_at);

CREATE INDEX uploads_of_content ON public.uploads USING btree (depot, sha256) WHERE (starts_at IS NULL);

CREATE INDEX uploads_of_path ON public.uploads USING btree (depot, path, number DESC);

CREATE INDEX uploads_of_peer ON public.uploads USING btree (depot, path, peer, number DESC) WHERE (starts_at IS NOT NULL);

CREATE INDEX uploads_of_serial ON public.uploads USING btree (serial, received_at DESC);

CREATE INDEX uploads_received ON public.uploads USING btree (depot, received_at);

CREATE UNIQUE INDEX uploads_report_names ON public.uploads USING btree (depot, path) WHERE (kind = 'REPORT'::text);

CREATE UNIQUE INDEX uploads_same_reports ON public.uploads USING btree (depot, sha256, serial, stage, report_name) NULLS NOT DISTINCT WHERE (kind = 'REPORT'::text);

CREATE TRIGGER audit_is_kept BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

CREATE TRIGGER bot_tokens_kept BEFORE DELETE OR UPDATE ON public.bot_tokens FOR EACH ROW EXECUTE FUNCTION keep_bot_token();

CREATE TRIGGER call_sends_wait_for_reconciliation AFTER INSERT ON public.call_sends REFERENCING NEW TABLE AS journalled FOR EACH STATEMENT EXECUTE FUNCTION refuse_paused_send();

CREATE TRIGGER result_notes_are_kept BEFORE DELETE OR UPDATE OR TRUNCATE ON public.result_notes FOR EACH STATEMENT EXECUTE FUNCTION refuse_note_change();

CREATE TRIGGER test_results_are_noted AFTER INSERT ON public.test_results REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION note_results();

grant insert, select on audit to stationgrid;

grant delete, insert, select, update on bot_events to stationgrid;

grant delete, insert, select, update on bot_sessions to stationgrid;

grant delete, insert, select, update on bot_tokens to stationgrid;

grant delete, insert, select, update on bots to stationgrid;

grant delete, insert, select, update on bridge_resumes to stationgrid;

grant delete, insert, select, update on call_sends to stationgrid;

grant delete, insert, select, update on closed_leases to stationgrid;

grant delete, insert, select, update on closed_leases_other to stationgrid;

grant delete, insert, select, update on day_counts to stationgrid;

grant delete, insert, select, update on day_job_counts to stationgrid;

grant delete, insert, select, update on device_serials to stationgrid;

grant delete, insert, select, update on devices to stationgrid;

grant delete, insert, select, update on drains to stationgrid;

grant delete, insert, select, update on dropped_days to stationgrid;

grant delete, insert, select, update on ended_sends to stationgrid;

grant delete, insert, select, update on ended_sends_other to stationgrid;

grant delete, insert, select, update on enqueue_requests to stationgrid;

grant delete, insert, select, update on farm_events to stationgrid;

grant delete, insert, select, update on farm_events_other to stationgrid;

grant delete, insert, select, update on farm_marks to stationgrid;

grant delete, insert, select, update on finished_jobs to stationgrid;

grant delete, insert, select, update on finished_jobs_other to stationgrid;

grant delete, insert, select, update on jobs to stationgrid;

grant delete, insert, select, update on lanes to stationgrid;

grant delete, insert, select, update on leases to stationgrid;

grant delete, insert, select, update on open_jobs to stationgrid;

grant delete, insert, select, update on open_leases to stationgrid;

grant delete, insert, select, update on open_sends to stationgrid;

grant delete, insert, select, update on parameter_activations to stationgrid;

grant delete, insert, select, update on parameter_versions to stationgrid;

grant delete, insert, select, update on quarantined_events to stationgrid;

grant delete, insert, select, update on replicas to stationgrid;

grant delete, insert, select, update on requirements to stationgrid;

grant delete, insert, select, update on restores to stationgrid;

grant insert, select on result_notes to stationgrid;

grant select on schema_migrations to stationgrid;

grant delete, insert, select, update on settled_calls to stationgrid;

grant delete, insert, select, update on settled_calls_other to stationgrid;

grant delete, insert, select, update on shopfloor_calls to stationgrid;

grant delete, insert, select, update on tallies to stationgrid;

grant delete, insert, select, update on test_results to stationgrid;

grant delete, insert, select, update on test_results_other to stationgrid;

grant delete, insert, select, update on testlog_events to stationgrid;

grant delete, insert, select, update on testlog_runs to stationgrid;

grant delete, insert, select, update on unsettled_calls to stationgrid;

grant delete, insert, select, update on uploads to stationgrid;
