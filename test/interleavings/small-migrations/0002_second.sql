-- A second one: what is done between two migrations is a boundary, too.
create table second (id integer primary key references first);
