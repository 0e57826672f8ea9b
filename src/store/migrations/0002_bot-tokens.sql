-- Tokens by which bots prove who they are. Old servers survive this: they never look here.

-- Rows are kept when they have ended: the audit needs to know whose they were and who ended them.
create table bot_tokens (
  id uuid primary key,
  instance text not null,
  bot_id text not null check (bot_id <> ''),
  -- Of the secret; the secret itself was shown once and is nowhere.
  secret_sha256 bytea not null check (octet_length(secret_sha256) = 32),
  created_at timestamptz not null default farm_now(),
  -- Principals by name, as the audit has them.
  created_by text not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_by text,
  -- The transaction that wrote the row last: replicas read what is not older than the horizon of their last reading, so
  -- that a commit which came late is not passed by.
  changed_xact xid8 not null default pg_current_xact_id(),
  check ((revoked_at is null) = (revoked_by is null))
);
create index bot_tokens_of_bot on bot_tokens (instance, bot_id, created_at desc, id);
create index bot_tokens_changed on bot_tokens (changed_xact);

-- What has ended stays ended, and a token stays whose it was, whichever role says otherwise.
create function keep_bot_token() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' or old.revoked_at is not null or new.expires_at > old.expires_at
    or (new.id, new.instance, new.bot_id, new.secret_sha256, new.created_at, new.created_by)
      is distinct from (old.id, old.instance, old.bot_id, old.secret_sha256, old.created_at, old.created_by) then
    raise exception 'a bot token can only be ended sooner';
  end if;
  new.changed_xact := pg_current_xact_id();
  return new;
end $$;
create trigger bot_tokens_kept before update or delete on bot_tokens for each row execute function keep_bot_token();
