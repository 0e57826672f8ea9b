-- The farm from nothing. Old servers: there are none before this one.
--
-- Every state is text with a check, every time is timestamptz, and what must always hold is said here wherever SQL can
-- say it: partial unique indexes over open leases and live sessions, and checks that tie columns to states.

-- The one clock of everything that expires. STABLE, so that the planner may use it in index conditions.
create function farm_now() returns timestamptz language sql stable parallel safe
  as $$ select clock_timestamp() $$;

-- One row a running server; its heartbeat keeps the sessions it is home to from expiring.
create table replicas (
  id uuid primary key,
  started_at timestamptz not null default farm_now(),
  last_seen_at timestamptz not null default farm_now()
);

-- Farm-wide marks; a single row.
create table farm_marks (
  "only" boolean primary key default true check ("only"),
  amnesty_until timestamptz not null default '-infinity'
);
insert into farm_marks default values;

-- A worker identity; outlives its sessions.
create table bots (
  instance text not null,
  bot_id text not null,
  quarantine_reason text,
  quarantined_at timestamptz,
  error_events integer not null default 0 check (error_events >= 0),
  -- The latest takeovers, newest last: [{"at": …, "peer": …}]; what the takeover watch judges.
  takeovers jsonb not null default '[]',
  first_seen_at timestamptz not null default farm_now(),
  primary key (instance, bot_id),
  check ((quarantine_reason is null) = (quarantined_at is null))
);

create index bots_quarantined on bots (instance, bot_id) where quarantine_reason is not null;

create table bot_sessions (
  name text primary key,
  instance text not null,
  bot_id text not null,
  -- OPEN; LAPSED: past its time to live and shown lost, but an ACTIVE lease still waits for it; CLOSED.
  state text not null check (state in ('OPEN', 'LAPSED', 'CLOSED')),
  closed_reason text,
  closed_at timestamptz,
  -- As the bot reported it; unknown numbers are kept.
  status integer not null,
  version text not null default '',
  capacity integer not null check (capacity >= 0),
  -- Leases it holds by right: a bot may lower its capacity below what it holds, or bring more along into a new session.
  leases_allowed integer not null default 0,
  -- Canonical: {"key": ["value", …]} over all devices and the worker, keys without the prefix label:, sorted.
  properties jsonb not null,
  -- The DUTs it declares, the primary device's first.
  device_ids bigint[] not null default '{}',
  peer text not null default '',
  home_replica uuid not null,
  attach_epoch bigint not null default 1,
  created_at timestamptz not null default farm_now(),
  seen_at timestamptz not null default farm_now(),
  expires_at timestamptz not null,
  foreign key (instance, bot_id) references bots,
  check ((state = 'CLOSED') = (closed_reason is not null)),
  check ((state = 'CLOSED') = (closed_at is not null))
);
-- A bot has at most one live session within its instance.
create unique index bot_sessions_one_live on bot_sessions (instance, bot_id) where state <> 'CLOSED';
create index bot_sessions_latest on bot_sessions (instance, bot_id, created_at desc);
create index bot_sessions_expiry on bot_sessions (expires_at) where state <> 'CLOSED';
create index bot_sessions_devices on bot_sessions using gin (device_ids) where state <> 'CLOSED';
create index bot_sessions_closed on bot_sessions (closed_at) where state = 'CLOSED';

create table bot_events (
  id bigint generated always as identity primary key,
  instance text not null,
  bot_id text not null,
  session_name text not null,
  type integer not null,
  message text not null,
  at timestamptz not null default farm_now()
);
create index bot_events_by_bot on bot_events (instance, bot_id, id desc);

-- A standing order; it covers bots that come later too.
create table drains (
  instance text not null,
  pattern text not null,
  note text not null,
  created_at timestamptz not null default farm_now(),
  expires_at timestamptz,
  primary key (instance, pattern)
);

create table devices (
  id bigint generated always as identity primary key,
  instance text not null,
  -- FactoryDeviceData without the serials: dotted keys, scalar values.
  data jsonb not null default '{}',
  held_reason text,
  -- After an unclean end: no lease before the bot is back without the lease, or this time has come.
  settling_until timestamptz,
  settling_reason text,
  created_at timestamptz not null default farm_now(),
  check ((settling_until is null) = (settling_reason is null))
);
create table device_serials (
  instance text not null,
  name text not null,
  value text not null,
  device_id bigint not null references devices,
  -- Which of two values under one name is the newer.
  added bigint generated always as identity,
  primary key (instance, name, value)
);
create index device_serials_of on device_serials (device_id);
create index device_serials_value on device_serials (instance, value);

-- What jobs want of a bot, interned: matching is decided once for each pair of such a set and a set of properties.
create table requirements (
  id bigint generated always as identity primary key,
  instance text not null,
  -- The canonical text of the constraints; what makes two sets the same.
  canon text not null,
  constraints jsonb not null,
  unique (instance, canon)
);

create sequence job_ids;
create table jobs (
  id bigint primary key default nextval('job_ids'),
  instance text not null,
  request_id text not null,
  state text not null check (state in ('QUEUED', 'LEASED', 'CANCELLING', 'FINISHED', 'FAILED', 'CANCELLED')),
  -- Null: runnable. The code and its words.
  held_by text check (held_by in ('ROUTE', 'ROUTE_STOPPED', 'GATE_TURN', 'GATE', 'GATE_REFUSED', 'DEVICE', 'ACTION')),
  held_reason text,
  station text not null default '',
  -- A station's work as submitted (core/station-work.ts), or a foreign payload.
  work jsonb,
  payload_type text,
  payload bytea,
  requirement_id bigint not null references requirements,
  -- The DUT it is pinned to.
  device_id bigint references devices,
  requested_bot_id text,
  priority integer not null default 0 check (priority between -1000000 and 1000000),
  route text,
  on_failed text not null default 'stop' check (on_failed in ('stop', 'continue')),
  attempts integer not null default 0 check (attempts >= 0),
  attempts_max integer not null check (attempts_max > 0),
  refusals integer not null default 0 check (refusals >= 0),
  avoided_bots text[] not null default '{}',
  -- A gated station: the shopfloor said yes, for an attempt that starts before this time.
  gate_cleared_until timestamptz,
  -- The bot that has it or had it last.
  bot_id text,
  cancel_reason text,
  verdict text check (verdict in ('PASSED', 'FAILED')),
  failure text,
  -- google.rpc.Code of the lease that ended it with an error.
  lease_code integer,
  reason text,
  result_type text,
  result bytea,
  -- Set for a job that came as a Remote Workers reservation: its name and what only that door shows.
  reservation jsonb,
  queue_deadline timestamptz,
  -- Nobody that could take it has been there since before this: ends the job when it passes. Null: not limited.
  match_deadline timestamptz,
  execution_timeout_ms bigint,
  -- Must have ended by then, whatever its state.
  expires_at timestamptz,
  enqueued_at timestamptz not null default farm_now(),
  queued_at timestamptz not null default farm_now(),
  started_at timestamptz,
  ended_at timestamptz,
  check ((work is null) <> (payload_type is null)),
  check ((payload_type is null) = (payload is null)),
  check ((held_by is null) = (held_reason is null)),
  check (held_by is null or state = 'QUEUED'),
  check (verdict is null or state = 'FINISHED'),
  check ((failure is not null) = (state = 'FAILED')),
  check ((ended_at is not null) = (state in ('FINISHED', 'FAILED', 'CANCELLED'))),
  check (route is null or device_id is not null)
);
-- The three queues. Each serves "the next one for these classes, this DUT, this bot" without a look at the rest.
create index jobs_queue on jobs (requirement_id, priority, id)
  where state = 'QUEUED' and held_by is null and device_id is null and requested_bot_id is null;
create index jobs_queue_of_device on jobs (device_id, (gate_cleared_until is null), priority, id)
  where state = 'QUEUED' and held_by is null and device_id is not null;
create index jobs_queue_of_bot on jobs (instance, requested_bot_id, priority, id)
  where state = 'QUEUED' and held_by is null and device_id is null and requested_bot_id is not null;
-- Held jobs of a DUT: what its route and its gates wait for.
create index jobs_held_of_device on jobs (device_id, id) where state = 'QUEUED' and held_by is not null;
create index jobs_gates on jobs (held_by, id) where state = 'QUEUED' and held_by in ('GATE_TURN', 'GATE');
-- The oldest queued age of an instance, for the metrics, without a look at the backlog.
create index jobs_oldest on jobs (instance, queued_at) where state = 'QUEUED' and held_by is null;
create index jobs_listing on jobs (instance, id desc);
create index jobs_of_device on jobs (device_id, id desc) where device_id is not null;
create index jobs_queue_deadline on jobs (queue_deadline) where state = 'QUEUED' and queue_deadline is not null;
create index jobs_match_deadline on jobs (match_deadline) where state = 'QUEUED' and match_deadline is not null;
create index jobs_expiry on jobs (expires_at) where ended_at is null and expires_at is not null;
create index jobs_gate_lapse on jobs (gate_cleared_until) where state = 'QUEUED' and gate_cleared_until is not null;
create unique index jobs_reservation on jobs ((reservation ->> 'name')) where reservation is not null;

-- What makes a repeated enqueue harmless, for 24 h.
create table enqueue_requests (
  instance text not null,
  request_id text not null,
  fingerprint text not null,
  job_id bigint not null references jobs,
  at timestamptz not null default farm_now(),
  primary key (instance, request_id)
);
create index enqueue_requests_age on enqueue_requests (at);

create table leases (
  id uuid primary key,
  job_id bigint not null references jobs,
  instance text not null,
  session_name text not null references bot_sessions,
  bot_id text not null,
  -- The DUT it runs on, pinned or the session's primary one; null: none.
  device_id bigint references devices,
  station text not null,
  state text not null check (state in
    ('PENDING', 'ACTIVE', 'CANCELLING', 'COMPLETED', 'CANCELLED', 'REFUSED', 'WITHDRAWN', 'LOST')),
  attempt integer not null check (attempt > 0),
  -- NotifyStart was answered before the grant.
  gated boolean not null default false,
  -- The work as this bot was given it, device data and all; null: the job's own payload.
  work jsonb,
  lost_after_ms bigint not null,
  granted_at timestamptz not null default farm_now(),
  -- When the bot first showed that it has seen the lease.
  echoed_at timestamptz,
  -- When it first left it out of a report; null: the last one showed it. The second in a row is a loss.
  absent_at timestamptz,
  started_at timestamptz,
  cancel_asked_at timestamptz,
  execution_deadline timestamptz,
  closed_at timestamptz,
  closed_reason text,
  check ((closed_at is not null) = (state not in ('PENDING', 'ACTIVE', 'CANCELLING'))),
  check (state <> 'ACTIVE' or started_at is not null)
);
-- A job has at most one open lease; so has a DUT.
create unique index leases_one_open_a_job on leases (job_id) where state in ('PENDING', 'ACTIVE', 'CANCELLING');
create unique index leases_one_open_a_device on leases (device_id)
  where state in ('PENDING', 'ACTIVE', 'CANCELLING') and device_id is not null;
create index leases_open_of_session on leases (session_name) where state in ('PENDING', 'ACTIVE', 'CANCELLING');
create index leases_pending on leases (granted_at) where state = 'PENDING';
create index leases_cancelling on leases (cancel_asked_at) where state = 'CANCELLING';
create index leases_execution on leases (execution_deadline) where state = 'ACTIVE' and execution_deadline is not null;
create index leases_of_job on leases (job_id, attempt);
create index leases_of_session on leases (session_name);

create table test_results (
  id bigint generated always as identity primary key,
  job_id bigint not null references jobs,
  lease_id uuid not null references leases,
  attempt integer not null,
  test_id text not null,
  status text not null check (status in ('PASSED', 'FAILED', 'SKIPPED', 'FAILED_AND_WAIVED')),
  -- core/test-result.ts.
  result jsonb not null,
  -- Counts for nothing: it came after a cancel was asked, or contradicted the first.
  stale boolean not null default false,
  at timestamptz not null default farm_now()
);
-- A test's first result stands.
create unique index test_results_first on test_results (lease_id, test_id) where not stale;
create index test_results_of_job on test_results (job_id, id);

-- One lane a DUT: positions are taken under its row lock, in the transaction that owes the calls.
create table lanes (
  device_id bigint primary key references devices,
  instance text not null,
  next_position bigint not null default 1,
  -- The first call that is not settled; equal to next_position when none is owed.
  head_position bigint not null default 1,
  -- When the head may be sent; null: nothing is owed, or a dead letter blocks.
  due_at timestamptz,
  blocked boolean not null default false,
  owner uuid,
  owner_epoch bigint not null default 0,
  owned_until timestamptz,
  check (head_position between 1 and next_position),
  check (due_at is null or (head_position < next_position and not blocked))
);
-- By instance, so that a shopfloor that is away, with every lane of its line due, is never read through for another's.
create index lanes_due on lanes (instance, due_at) where due_at is not null;
create index lanes_listing on lanes (instance, blocked desc, device_id desc);

-- The outbox. A row stores the fact; the body is rendered when the row first reaches the lane's head, and kept.
create table shopfloor_calls (
  id uuid primary key,
  instance text not null,
  device_id bigint not null references lanes,
  position bigint not null check (position > 0),
  job_id bigint references jobs,
  lease_id uuid references leases,
  attempt integer not null default 0,
  method text not null check (method in ('NotifyStart', 'UpdateTestResult', 'NotifyEnd', 'NotifyEvent')),
  station text not null,
  test_id text,
  status text,
  event text,
  details jsonb,
  -- A NotifyStart that decides whether its job may run.
  gate boolean not null default false,
  state text not null default 'OWED' check (state in ('OWED', 'DELIVERED', 'GATE_REFUSED', 'DEAD', 'SKIPPED')),
  body text,
  sends integer not null default 0,
  faults integer not null default 0,
  ambiguous boolean not null default false,
  last_error text,
  -- What the shopfloor answered, registration codes redacted.
  answer jsonb,
  action text,
  skip_reason text,
  owed_at timestamptz not null default farm_now(),
  settled_at timestamptz,
  unique (device_id, position),
  check ((settled_at is not null) = (state in ('DELIVERED', 'GATE_REFUSED', 'SKIPPED'))),
  check ((skip_reason is not null) = (state = 'SKIPPED')),
  check ((test_id is not null and status is not null) = (method = 'UpdateTestResult')),
  check ((event is not null) = (method = 'NotifyEvent')),
  check (state = 'OWED' or state = 'SKIPPED' or body is not null)
);
create index shopfloor_calls_listing on shopfloor_calls (instance, owed_at desc, device_id desc, position desc);
create index shopfloor_calls_of_job on shopfloor_calls (job_id, position);
create index shopfloor_calls_unsettled on shopfloor_calls (instance, owed_at) where state in ('OWED', 'DEAD');

-- The journal of sends: a row is committed before the first byte leaves, and completed after the answer.
create table call_sends (
  call_id uuid not null references shopfloor_calls,
  number integer not null,
  replica uuid not null,
  sent_at timestamptz not null default farm_now(),
  ended_at timestamptz,
  -- answered, fault, refused (nothing was sent), ambiguous (bytes sent, no readable answer); null: not yet known.
  outcome text check (outcome in ('answered', 'fault', 'refused', 'ambiguous')),
  words text,
  primary key (call_id, number),
  check ((ended_at is null) = (outcome is null))
);

-- Committed facts, in an order one can resume from: (xact, id), read below the snapshot's xmin.
create table farm_events (
  xact xid8 not null default pg_current_xact_id(),
  id bigint generated always as identity,
  at timestamptz not null default farm_now(),
  kind text not null,
  instance text not null,
  job_id bigint,
  lease_id uuid,
  bot_id text,
  device_id bigint,
  facts jsonb not null default '{}',
  primary key (xact, id)
);
create index farm_events_of_job on farm_events (job_id, xact, id) where job_id is not null;

-- How many are in each state, as deltas that any replica folds now and then: exact at every commit, and cheap to read
-- whatever the backlog. family: job (label: station).
create table tallies (
  id bigint generated always as identity primary key,
  family text not null,
  instance text not null,
  label text not null,
  state text not null,
  n bigint not null
);
