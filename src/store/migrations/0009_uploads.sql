-- What DUTs uploaded by the Factory Server door: which file of which folder holds it, whose it is, and its hash.
-- Old servers survive this: they never look here.

-- The bytes are in files. A row is written when they are safe on disk, and before the DUT hears so.
create table uploads (
  id uuid primary key,
  -- The order of the uploads to one path, which is that of its advisory lock.
  number bigint generated always as identity,
  -- The folder of files, by the name that it has given itself: each host has its own.
  depot text not null check (depot <> ''),
  instance text not null,
  kind text not null check (kind in ('REPORT', 'AUX_LOG', 'EVENT_LOG', 'CSV')),
  -- Below the depot's folder.
  path text not null check (path <> '' and path !~ '(^|/)\.\.?(/|$)' and path !~ '^/'),
  -- Where in the file it begins; null: it is the whole file.
  starts_at bigint check (starts_at >= 0),
  bytes bigint not null check (bytes >= 0),
  sha256 bytea not null check (octet_length(sha256) = 32),
  -- As the DUT said them; null: it did not.
  serial text,
  stage text,
  report_name text,
  -- The address it came from; no identity.
  peer text not null,
  received_at timestamptz not null default farm_now(),
  -- Found on disk after a crash, recorded then, and never acknowledged.
  adopted boolean not null default false,
  check ((starts_at is null) = (kind in ('REPORT', 'AUX_LOG')))
);
-- A report keeps its name for itself.
create unique index uploads_report_names on uploads (depot, path) where kind = 'REPORT';
-- The same bytes of the same DUT at the same stage are the same report.
create unique index uploads_same_reports on uploads (depot, sha256, serial, stage, report_name)
  nulls not distinct where kind = 'REPORT';
create index uploads_of_path on uploads (depot, path, number desc);
create index uploads_of_peer on uploads (depot, path, peer, number desc) where starts_at is not null;
create index uploads_of_serial on uploads (serial, received_at desc);
