-- All migrations’ effect, written by test/store/schema.test.ts. Not run by anything.

CREATE OR REPLACE FUNCTION public.bridge_is_paused(asked text)
 RETURNS boolean
 LANGUAGE sql
AS $function$
  select coalesce((select max(number) from restores), 0)
           > coalesce((select restore from bridge_resumes where instance = asked), 0)
      or exists (select from farm_marks m where m.database_mark <> database_mark())
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

CREATE OR REPLACE FUNCTION public.farm_now()
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$ select clock_timestamp() $function$;

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
    select from (select distinct c.instance from journalled j join shopfloor_calls c on c.id = j.call_id) told
    where bridge_is_paused(told.instance)) then
    raise exception 'The bridge is paused: the database was restored, and nobody has resumed it yet.'
      using errcode = '40001', hint = 'stationgrid bridge reconciliation, then stationgrid bridge resume';
  end if;
  return null;
end
$function$;

create sequence job_ids as bigint increment 1 start 1;

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
  constraint call_sends_call_id_fkey FOREIGN KEY (call_id) REFERENCES shopfloor_calls(id),
  constraint call_sends_check CHECK (((ended_at IS NULL) = (outcome IS NULL))),
  constraint call_sends_outcome_check CHECK ((outcome = ANY (ARRAY['answered'::text, 'fault'::text, 'refused'::text, 'ambiguous'::text]))),
  constraint call_sends_pkey PRIMARY KEY (call_id, number)
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

create table enqueue_requests (
  instance text not null,
  request_id text not null,
  fingerprint text not null,
  job_id bigint not null,
  at timestamp with time zone default farm_now() not null,
  constraint enqueue_requests_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id),
  constraint enqueue_requests_pkey PRIMARY KEY (instance, request_id)
);

create table farm_events (
  xact xid8 default pg_current_xact_id() not null,
  id bigint generated always as identity not null,
  at timestamp with time zone default farm_now() not null,
  kind text not null,
  instance text not null,
  job_id bigint,
  lease_id uuid,
  bot_id text,
  device_id bigint,
  facts jsonb default '{}'::jsonb not null,
  constraint farm_events_pkey PRIMARY KEY (xact, id)
);

create table farm_marks (
  "only" boolean default true not null,
  amnesty_until timestamp with time zone default '-infinity'::timestamp with time zone not null,
  database_mark text,
  constraint farm_marks_only_check CHECK ("only"),
  constraint farm_marks_pkey PRIMARY KEY ("only")
);

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
  constraint jobs_device_id_fkey FOREIGN KEY (device_id) REFERENCES devices(id),
  constraint jobs_held_by_check CHECK ((held_by = ANY (ARRAY['ROUTE'::text, 'ROUTE_STOPPED'::text, 'GATE_TURN'::text, 'GATE'::text, 'GATE_REFUSED'::text, 'DEVICE'::text, 'ACTION'::text]))),
  constraint jobs_on_failed_check CHECK ((on_failed = ANY (ARRAY['stop'::text, 'continue'::text]))),
  constraint jobs_pkey PRIMARY KEY (id),
  constraint jobs_priority_check CHECK (((priority >= '-1000000'::integer) AND (priority <= 1000000))),
  constraint jobs_refusals_check CHECK ((refusals >= 0)),
  constraint jobs_requirement_id_fkey FOREIGN KEY (requirement_id) REFERENCES requirements(id),
  constraint jobs_state_check CHECK ((state = ANY (ARRAY['QUEUED'::text, 'LEASED'::text, 'CANCELLING'::text, 'FINISHED'::text, 'FAILED'::text, 'CANCELLED'::text]))),
  constraint jobs_verdict_check CHECK ((verdict = ANY (ARRAY['PASSED'::text, 'FAILED'::text])))
);

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
  session_name text not null,
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
  constraint leases_attempt_check CHECK ((attempt > 0)),
  constraint leases_check CHECK (((closed_at IS NOT NULL) = (state <> ALL (ARRAY['PENDING'::text, 'ACTIVE'::text, 'CANCELLING'::text])))),
  constraint leases_check1 CHECK (((state <> 'ACTIVE'::text) OR (started_at IS NOT NULL))),
  constraint leases_device_id_fkey FOREIGN KEY (device_id) REFERENCES devices(id),
  constraint leases_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id),
  constraint leases_pkey PRIMARY KEY (id),
  constraint leases_session_name_fkey FOREIGN KEY (session_name) REFERENCES bot_sessions(name),
  constraint leases_state_check CHECK ((state = ANY (ARRAY['PENDING'::text, 'ACTIVE'::text, 'CANCELLING'::text, 'COMPLETED'::text, 'CANCELLED'::text, 'REFUSED'::text, 'WITHDRAWN'::text, 'LOST'::text])))
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
  constraint result_notes_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id),
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
  constraint shopfloor_calls_check CHECK (((settled_at IS NOT NULL) = (state = ANY (ARRAY['DELIVERED'::text, 'GATE_REFUSED'::text, 'SKIPPED'::text])))),
  constraint shopfloor_calls_check1 CHECK (((skip_reason IS NOT NULL) = (state = 'SKIPPED'::text))),
  constraint shopfloor_calls_check2 CHECK ((((test_id IS NOT NULL) AND (status IS NOT NULL)) = (method = 'UpdateTestResult'::text))),
  constraint shopfloor_calls_check3 CHECK (((event IS NOT NULL) = (method = 'NotifyEvent'::text))),
  constraint shopfloor_calls_check4 CHECK (((state = 'OWED'::text) OR (state = 'SKIPPED'::text) OR (body IS NOT NULL))),
  constraint shopfloor_calls_device_id_fkey FOREIGN KEY (device_id) REFERENCES lanes(device_id),
  constraint shopfloor_calls_device_id_position_key UNIQUE (device_id, "position"),
  constraint shopfloor_calls_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id),
  constraint shopfloor_calls_lease_id_fkey FOREIGN KEY (lease_id) REFERENCES leases(id),
  constraint shopfloor_calls_method_check CHECK ((method = ANY (ARRAY['NotifyStart'::text, 'UpdateTestResult'::text, 'NotifyEnd'::text, 'NotifyEvent'::text]))),
  constraint shopfloor_calls_pkey PRIMARY KEY (id),
  constraint shopfloor_calls_position_check CHECK (("position" > 0)),
  constraint shopfloor_calls_state_check CHECK ((state = ANY (ARRAY['OWED'::text, 'DELIVERED'::text, 'GATE_REFUSED'::text, 'DEAD'::text, 'SKIPPED'::text])))
);

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
  id bigint generated always as identity not null,
  job_id bigint not null,
  lease_id uuid not null,
  attempt integer not null,
  test_id text not null,
  status text not null,
  result jsonb not null,
  stale boolean default false not null,
  at timestamp with time zone default farm_now() not null,
  constraint test_results_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs(id),
  constraint test_results_lease_id_fkey FOREIGN KEY (lease_id) REFERENCES leases(id),
  constraint test_results_pkey PRIMARY KEY (id),
  constraint test_results_status_check CHECK ((status = ANY (ARRAY['PASSED'::text, 'FAILED'::text, 'SKIPPED'::text, 'FAILED_AND_WAIVED'::text])))
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

CREATE INDEX device_serials_of ON public.device_serials USING btree (device_id);

CREATE INDEX device_serials_value ON public.device_serials USING btree (instance, value);

CREATE INDEX enqueue_requests_age ON public.enqueue_requests USING btree (at);

CREATE INDEX farm_events_of_job ON public.farm_events USING btree (job_id, xact, id) WHERE (job_id IS NOT NULL);

CREATE INDEX jobs_expiry ON public.jobs USING btree (expires_at) WHERE ((ended_at IS NULL) AND (expires_at IS NOT NULL));

CREATE INDEX jobs_gate_lapse ON public.jobs USING btree (gate_cleared_until) WHERE ((state = 'QUEUED'::text) AND (gate_cleared_until IS NOT NULL));

CREATE INDEX jobs_gates ON public.jobs USING btree (held_by, id) WHERE ((state = 'QUEUED'::text) AND (held_by = ANY (ARRAY['GATE_TURN'::text, 'GATE'::text])));

CREATE INDEX jobs_held_of_device ON public.jobs USING btree (device_id, id) WHERE ((state = 'QUEUED'::text) AND (held_by IS NOT NULL));

CREATE INDEX jobs_listing ON public.jobs USING btree (instance, id DESC);

CREATE INDEX jobs_match_deadline ON public.jobs USING btree (match_deadline) WHERE ((state = 'QUEUED'::text) AND (match_deadline IS NOT NULL));

CREATE INDEX jobs_of_device ON public.jobs USING btree (device_id, id DESC) WHERE (device_id IS NOT NULL);

CREATE INDEX jobs_oldest ON public.jobs USING btree (instance, queued_at) WHERE ((state = 'QUEUED'::text) AND (held_by IS NULL));

CREATE INDEX jobs_queue ON public.jobs USING btree (requirement_id, priority, id) WHERE ((state = 'QUEUED'::text) AND (held_by IS NULL) AND (device_id IS NULL) AND (requested_bot_id IS NULL));

CREATE INDEX jobs_queue_avoiding ON public.jobs USING btree (requirement_id, priority, id) WHERE ((state = 'QUEUED'::text) AND (held_by IS NULL) AND (device_id IS NULL) AND (requested_bot_id IS NULL) AND (avoided_bots <> '{}'::text[]));

CREATE INDEX jobs_queue_deadline ON public.jobs USING btree (queue_deadline) WHERE ((state = 'QUEUED'::text) AND (queue_deadline IS NOT NULL));

CREATE INDEX jobs_queue_of_bot ON public.jobs USING btree (instance, requested_bot_id, priority, id) WHERE ((state = 'QUEUED'::text) AND (held_by IS NULL) AND (device_id IS NULL) AND (requested_bot_id IS NOT NULL));

CREATE INDEX jobs_queue_of_device ON public.jobs USING btree (device_id, ((gate_cleared_until IS NULL)), priority, id) WHERE ((state = 'QUEUED'::text) AND (held_by IS NULL) AND (device_id IS NOT NULL));

CREATE UNIQUE INDEX jobs_reservation ON public.jobs USING btree (((reservation ->> 'name'::text))) WHERE (reservation IS NOT NULL);

CREATE INDEX lanes_due ON public.lanes USING btree (instance, due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX lanes_listing ON public.lanes USING btree (instance, blocked DESC, device_id DESC);

CREATE INDEX leases_cancelling ON public.leases USING btree (cancel_asked_at) WHERE (state = 'CANCELLING'::text);

CREATE INDEX leases_execution ON public.leases USING btree (execution_deadline) WHERE ((state = 'ACTIVE'::text) AND (execution_deadline IS NOT NULL));

CREATE INDEX leases_of_job ON public.leases USING btree (job_id, attempt);

CREATE INDEX leases_of_session ON public.leases USING btree (session_name);

CREATE UNIQUE INDEX leases_one_open_a_device ON public.leases USING btree (device_id) WHERE ((state = ANY (ARRAY['PENDING'::text, 'ACTIVE'::text, 'CANCELLING'::text])) AND (device_id IS NOT NULL));

CREATE UNIQUE INDEX leases_one_open_a_job ON public.leases USING btree (job_id) WHERE (state = ANY (ARRAY['PENDING'::text, 'ACTIVE'::text, 'CANCELLING'::text]));

CREATE INDEX leases_open_of_session ON public.leases USING btree (session_name) WHERE (state = ANY (ARRAY['PENDING'::text, 'ACTIVE'::text, 'CANCELLING'::text]));

CREATE INDEX leases_pending ON public.leases USING btree (granted_at) WHERE (state = 'PENDING'::text);

CREATE INDEX result_notes_of_job ON public.result_notes USING btree (job_id, id);

CREATE INDEX shopfloor_calls_listing ON public.shopfloor_calls USING btree (instance, owed_at DESC, device_id DESC, "position" DESC);

CREATE INDEX shopfloor_calls_of_job ON public.shopfloor_calls USING btree (job_id, "position");

CREATE INDEX shopfloor_calls_questions ON public.shopfloor_calls USING btree (device_id, "position") WHERE (gate AND (state = ANY (ARRAY['OWED'::text, 'DEAD'::text])));

CREATE INDEX shopfloor_calls_unsettled ON public.shopfloor_calls USING btree (instance, owed_at) WHERE (state = ANY (ARRAY['OWED'::text, 'DEAD'::text]));

CREATE UNIQUE INDEX test_results_first ON public.test_results USING btree (lease_id, test_id) WHERE (NOT stale);

CREATE INDEX test_results_of_job ON public.test_results USING btree (job_id, id);

CREATE TRIGGER audit_is_kept BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

CREATE TRIGGER bot_tokens_kept BEFORE DELETE OR UPDATE ON public.bot_tokens FOR EACH ROW EXECUTE FUNCTION keep_bot_token();

CREATE TRIGGER call_sends_wait_for_reconciliation AFTER INSERT ON public.call_sends REFERENCING NEW TABLE AS journalled FOR EACH STATEMENT EXECUTE FUNCTION refuse_paused_send();

CREATE TRIGGER result_notes_are_kept BEFORE DELETE OR UPDATE OR TRUNCATE ON public.result_notes FOR EACH STATEMENT EXECUTE FUNCTION refuse_note_change();

grant insert, select on audit to stationgrid;

grant delete, insert, select, update on bot_events to stationgrid;

grant delete, insert, select, update on bot_sessions to stationgrid;

grant delete, insert, select, update on bot_tokens to stationgrid;

grant delete, insert, select, update on bots to stationgrid;

grant delete, insert, select, update on bridge_resumes to stationgrid;

grant delete, insert, select, update on call_sends to stationgrid;

grant delete, insert, select, update on device_serials to stationgrid;

grant delete, insert, select, update on devices to stationgrid;

grant delete, insert, select, update on drains to stationgrid;

grant delete, insert, select, update on enqueue_requests to stationgrid;

grant delete, insert, select, update on farm_events to stationgrid;

grant delete, insert, select, update on farm_marks to stationgrid;

grant delete, insert, select, update on jobs to stationgrid;

grant delete, insert, select, update on lanes to stationgrid;

grant delete, insert, select, update on leases to stationgrid;

grant delete, insert, select, update on replicas to stationgrid;

grant delete, insert, select, update on requirements to stationgrid;

grant delete, insert, select, update on restores to stationgrid;

grant insert, select on result_notes to stationgrid;

grant select on schema_migrations to stationgrid;

grant delete, insert, select, update on shopfloor_calls to stationgrid;

grant delete, insert, select, update on tallies to stationgrid;

grant delete, insert, select, update on test_results to stationgrid;
