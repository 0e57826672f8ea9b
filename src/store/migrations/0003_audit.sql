-- The audit of what people and tokens asked: hash-chained, a chain for each run of a replica. Rows are only ever added.
-- A server of the version before knows nothing of this table and goes on.
create table audit (
  replica uuid not null,
  seq bigint not null check (seq >= 1),
  -- JSON as it was hashed, byte for byte; jsonb would forget the bytes.
  text text not null,
  -- 64 hexadecimal digits each: of the record before, and of this one over that and the text.
  previous text not null check (previous ~ '^[0-9a-f]{64}$'),
  hash text not null check (hash ~ '^[0-9a-f]{64}$'),
  recorded_at timestamptz not null default farm_now(),
  primary key (replica, seq)
);
create index audit_recorded on audit (recorded_at, replica, seq);
create index audit_chains on audit (recorded_at, replica) where seq = 1;

-- The application's role is not even granted update and delete (src/store/migrate.ts); this holds the owner's hand too,
-- where one role is both. Who may disable a trigger may still tamper: the chain tells.
create function refuse_audit_change() returns trigger language plpgsql as $$
begin
  raise exception 'The audit is only ever added to: % is refused.', tg_op using errcode = '42501';
end
$$;
create trigger audit_is_kept before update or delete or truncate on audit
  for each statement execute function refuse_audit_change();
