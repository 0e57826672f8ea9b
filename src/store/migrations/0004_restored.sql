-- A restored backup, or a standby that was promoted without the last commits, has forgotten what happened since. Its farm
-- notices, and tells no shopfloor anything until a person has compared notes with the partner and said so.
-- A server of the version before goes on, and is held to the pause by the trigger on its journal.

-- What the database was when a farm last looked: see database_mark(). Null: none has looked yet.
alter table farm_marks add column database_mark text;

-- One row each time that the database was found, or said, to have lost its newest commits.
create table restores (
  number integer primary key check (number > 0),
  noticed_at timestamptz not null default farm_now(),
  -- PROMOTED: the same cluster on a new timeline. MOVED: another cluster or database. SAID: by an operator.
  cause text not null check (cause in ('PROMOTED', 'MOVED', 'SAID')),
  -- The newest fact that the database still knows: what happened after it, up to noticed_at, may be lost. Null: it knew none.
  last_fact_at timestamptz,
  -- No job ever has a number from here up to the next one of job_ids: before the loss they may have been given away.
  job_ids_skipped_from bigint not null,
  job_ids_skipped bigint not null check (job_ids_skipped > 0)
);

-- Up to which restore an instance's people have compared notes with their partner. No row: none.
create table bridge_resumes (
  instance text primary key,
  restore integer not null references restores,
  resumed_at timestamptz not null default farm_now(),
  reason text not null
);

-- Cluster, timeline, database, and the table itself, which a dump makes anew: one of them changes with every restore of a
-- dump, every recovery to a point in time and every promotion. A copy of the files alone changes none (docs/how-to/backup.md).
-- Null: the server does not tell. Volatile, since it is no matter of snapshots.
create function database_mark() returns text language plpgsql volatile as $$
begin
  return (select concat_ws('/', s.system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8), d.oid, c.oid)
          from pg_control_system() s
          join pg_database d on d.datname = current_database()
          join pg_class c on c.oid = 'farm_marks'::regclass);
exception when insufficient_privilege or feature_not_supported then
  return null;
end
$$;

-- Whether an instance's shopfloor must not be told anything now. Also true in the moments before a farm has noticed.
create function bridge_is_paused(asked text) returns boolean language sql volatile as $$
  select coalesce((select max(number) from restores), 0)
           > coalesce((select restore from bridge_resumes where instance = asked), 0)
      or exists (select from farm_marks m where m.database_mark <> database_mark())
$$;

-- Every send is journalled before its first byte, by servers of any version: what cannot be journalled is not sent.
-- As a serialisation failure, the transaction is tried again, and finds the pause at its first look.
create function refuse_paused_send() returns trigger language plpgsql as $$
begin
  if exists (
    select from (select distinct c.instance from journalled j join shopfloor_calls c on c.id = j.call_id) told
    where bridge_is_paused(told.instance)) then
    raise exception 'The bridge is paused: the database was restored, and nobody has resumed it yet.'
      using errcode = '40001', hint = 'stationgrid bridge reconciliation, then stationgrid bridge resume';
  end if;
  return null;
end
$$;
create trigger call_sends_wait_for_reconciliation after insert on call_sends
  referencing new table as journalled for each statement execute function refuse_paused_send();
