-- In the template of tests' databases: untouched.empty() takes a database back to what its migrations made of it. A function, so that
-- its hundred statements are planned once in a session. Called as superuser with session_replication_role = replica: triggers and
-- foreign keys look away.
create schema untouched;

do $$
declare
  each record;
  filled bigint;
  statements text := '';
begin
  for each in
    select format('%I.%I', n.nspname, c.relname) as name, row_number() over (order by n.nspname, c.relname) as number
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'test_clock') and c.relkind = 'r' and c.relname <> 'schema_migrations'
    order by 1
  loop
    statements := statements || format('delete from %s; ', each.name);
    execute format('select count(*) from %s', each.name) into filled;
    if filled > 0 then
      execute format('create table untouched.t%s as table %s', each.number, each.name);
      statements := statements || format('insert into %s overriding system value table untouched.t%s; ', each.name, each.number);
    end if;
  end loop;
  for each in
    select format('%I.%I', schemaname, sequencename) as name, coalesce(last_value, start_value) as value, last_value is not null as used
    from pg_sequences where schemaname = 'public' order by 1
  loop
    statements := statements || format('perform setval(%L, %s, %L); ', each.name, each.value, each.used);
  end loop;
  execute format('create function untouched.empty() returns void language plpgsql as %L', 'begin ' || statements || 'end');
end $$;

-- Says the same of two databases where nobody has changed the schema, its rights or its history of one of them since the other was made.
create function untouched.shape() returns text language sql as $$
  select string_agg(format('%s %s', n, newest), ', ') from (
    select count(*) as n, max(xmin::text::bigint) as newest from pg_class
    union all select count(*), max(xmin::text::bigint) from pg_attribute
    union all select count(*), max(xmin::text::bigint) from pg_attrdef
    union all select count(*), max(xmin::text::bigint) from pg_constraint
    union all select count(*), max(xmin::text::bigint) from pg_index
    union all select count(*), max(xmin::text::bigint) from pg_trigger
    union all select count(*), max(xmin::text::bigint) from pg_event_trigger
    union all select count(*), max(xmin::text::bigint) from pg_proc
    union all select count(*), max(xmin::text::bigint) from pg_rewrite
    union all select count(*), max(xmin::text::bigint) from pg_type
    union all select count(*), max(xmin::text::bigint) from pg_namespace where nspname !~ '^pg_(toast_)?temp_'
    union all select count(*), max(xmin::text::bigint) from pg_default_acl
    union all select count(*), max(xmin::text::bigint) from schema_migrations
    union all select count(*), null from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = current_database())
  ) catalogs
$$;
