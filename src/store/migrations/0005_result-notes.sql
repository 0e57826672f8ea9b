-- What people have to say of a job's results. Nobody edits a result; a note stands beside it, with its author.
-- A server of the version before knows nothing of this table and goes on.
create table result_notes (
  id bigint generated always as identity primary key,
  job_id bigint not null references jobs (id),
  at timestamptz not null default farm_now(),
  -- A principal by name, as the audit has it.
  author text not null check (author <> ''),
  note text not null check (note <> '')
);
create index result_notes_of_job on result_notes (job_id, id);

-- A note that could be changed would be worth no more than the memory of its author.
create function refuse_note_change() returns trigger language plpgsql as $$
begin
  raise exception 'Notes on results are only ever added to: % is refused.', tg_op using errcode = '42501';
end
$$;
create trigger result_notes_are_kept before update or delete or truncate on result_notes
  for each statement execute function refuse_note_change();
