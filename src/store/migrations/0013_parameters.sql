-- Versions of the files that DUTs are given by name, and which of them each was given when. And the ways to uploads past their time.
-- Old servers survive this: they never look here, and give DUTs whatever file lies in the folder.

-- Contents are in the folder of uploads, under their hash. A version never changes.
create table parameter_versions (
  -- The folder, by the name that it has given itself.
  depot text not null check (depot <> ''),
  -- Below `parameters`: what DUTs ask for.
  path text not null check (path <> '' and path !~ '(^|/)\.\.?(/|$)' and path !~ '^/'),
  -- From 1, in the order in which they came.
  version integer not null check (version > 0),
  instance text not null,
  bytes bigint not null check (bytes >= 0),
  sha256 bytea not null check (octet_length(sha256) = 32),
  -- FOUND: it lay there, put by hand, when another version took its place.
  origin text not null check (origin in ('UPLOADED', 'FOUND')),
  note text not null,
  made_by text not null,
  made_at timestamptz not null default farm_now(),
  primary key (depot, path, version),
  unique (depot, path, sha256)
);

-- The newest of a path is the active one.
create table parameter_activations (
  number bigint generated always as identity primary key,
  depot text not null,
  path text not null,
  version integer not null,
  reason text not null,
  activated_by text not null,
  activated_at timestamptz not null default farm_now(),
  foreign key (depot, path, version) references parameter_versions
);
create index parameter_activations_of_path on parameter_activations (depot, path, number desc);

create index uploads_received on uploads (depot, received_at);
create index uploads_of_content on uploads (depot, sha256) where starts_at is null;
