-- Small, so that it can be run at every statement boundary.
create table first (id integer primary key);
