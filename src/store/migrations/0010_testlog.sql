-- What DUTs tell by Testlog: every event once, what is known of each run of a test, and events that nobody could read.
-- Old servers survive this: they never look here, and write no upload of the new kind.

create table testlog_events (
  instance text not null,
  -- The DUT's own name for it. A uuid by convention only.
  uuid text not null check (uuid <> ''),
  -- The order in which they were kept.
  number bigint generated always as identity,
  type text not null check (type in ('station.test_run', 'station.status', 'station.init', 'station.message')),
  -- Null: it names no serial, or serials of more than one DUT.
  device_id bigint references devices,
  test_run_id text check ((test_run_id is not null) or type <> 'station.test_run'),
  -- Clocks of DUTs are unreliable: this is the time that counts, and theirs is kept beside it, in seconds since 1970.
  received_at timestamptz not null default farm_now(),
  dut_time double precision not null,
  -- As the uploader calls itself; null: it did not say.
  node_id text,
  peer text not null,
  -- In the form of API version 0.21, with `time` by the farm's clock and the DUT's as `dutTime`.
  event jsonb not null,
  -- By id: sha256, bytes, and path in the folder of uploads.
  attachments jsonb not null default '{}',
  primary key (instance, uuid)
);
create index testlog_events_of_device on testlog_events (device_id, number) where device_id is not null;
create index testlog_events_of_run on testlog_events (instance, test_run_id) where test_run_id is not null;
create index testlog_events_received on testlog_events (received_at);

-- Of several events of one run, the one that stands: the furthest, whatever the order in which they came.
create table testlog_runs (
  instance text not null,
  test_run_id text not null check (test_run_id <> ''),
  uuid text not null,
  device_id bigint references devices,
  test_name text not null,
  test_type text not null,
  status text not null check (status in ('STARTING', 'RUNNING', 'UNKNOWN', 'PASS', 'FAIL')),
  -- How far such a status is; core/testlog.ts.
  progress smallint not null,
  -- The DUT's own count of its events; null: it does not count.
  seq bigint,
  -- By the DUT's clock, in seconds since 1970.
  dut_time double precision not null,
  started_at double precision not null,
  ended_at double precision,
  duration_s double precision,
  -- The lease whose results have it too; null: none was open for its station.
  job_id bigint,
  lease_id uuid,
  received_at timestamptz not null default farm_now(),
  primary key (instance, test_run_id),
  check ((job_id is null) = (lease_id is null))
);
create index testlog_runs_of_device on testlog_runs (device_id, received_at) where device_id is not null;
create index testlog_runs_received on testlog_runs (received_at);

-- Accepted, so that the DUT's queue moves on, and put aside with the reason for people to look at.
create table quarantined_events (
  id bigint generated always as identity primary key,
  instance text not null,
  -- Of the event as it came: the same one again is counted, not kept twice.
  sha256 bytea not null check (octet_length(sha256) = 32),
  bytes bigint not null check (bytes >= 0),
  reason text not null check (reason <> ''),
  node_id text,
  peer text not null,
  -- As it came; null: it is large, and in the folder of uploads.
  event bytea,
  path text,
  attachments jsonb not null default '{}',
  times bigint not null default 1,
  first_at timestamptz not null default farm_now(),
  last_at timestamptz not null default farm_now(),
  unique (instance, sha256),
  check ((event is null) = (path is not null))
);
create index quarantined_events_last on quarantined_events (last_at);

-- What comes along with an event is an upload like any other whole file.
alter table uploads drop constraint uploads_kind_check;
alter table uploads drop constraint uploads_check;
alter table uploads add constraint uploads_kind_check
  check (kind in ('REPORT', 'AUX_LOG', 'EVENT_LOG', 'CSV', 'ATTACHMENT'));
alter table uploads add constraint uploads_check
  check ((starts_at is null) = (kind in ('REPORT', 'AUX_LOG', 'ATTACHMENT')));
