-- Replaces the farm's clock in the databases of tests: a session's setting rules, then the database's row, then real time.
create schema test_clock;
create table test_clock.farm_clock (at timestamptz);
insert into test_clock.farm_clock values (null);
grant usage on schema test_clock to public;
grant select, update on test_clock.farm_clock to public;

create or replace function farm_now() returns timestamptz language sql stable parallel safe as $$
  select coalesce(
    nullif(current_setting('stationgrid.now', true), '')::timestamptz,
    (select at from test_clock.farm_clock),
    clock_timestamp()
  )
$$;
