/**
 * Rows by the million: what the farm has really written is copied, each copy with keys of its own. Loaded as a backup is:
 * without triggers, and where there is much of it, the indexes are made when the rows are there.
 */
import pg from 'pg';
import { SUPERUSER } from '../../src/store/embedded/cluster.ts';
import { urlOf } from '../support/test-server.ts';

/** Rows to be copied and what differs from copy to copy, by column; `g` counts the copies from 1, `p` is the row. */
export type Copy = {
  readonly table: string;
  readonly where: string;
  readonly each: Readonly<Record<string, string>>;
  readonly copies: number;
  /** Random keys are put in as they will lie in their index. */
  readonly order?: string;
};

export type Loading = {
  readonly copy: (copy: Copy) => Promise<void>;
  readonly ask: (statement: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;
};

/** @param tables whose indexes are made anew at the end, all but the primary keys. */
export const load = async (
  ownerUrl: string,
  tables: readonly string[],
  work: (loading: Loading) => Promise<void>,
): Promise<void> => {
  const db = new pg.Client({ connectionString: urlOf(ownerUrl, { user: SUPERUSER }) });
  await db.connect();
  try {
    for (const setting of SETTINGS) await db.query(setting);
    const indexes = await dropIndexes(db, tables);
    await work({
      copy: (copy) => copyRows(db, copy),
      ask: async (statement) => (await db.query<Record<string, unknown>>(statement)).rows,
    });
    for (const statement of indexes) await db.query(statement);
    await db.query(`select setval('job_ids', (select max(id) from jobs))`);
    await db.query(`select setval(pg_get_serial_sequence('devices', 'id'), (select max(id) from devices))`);
    await db.query('vacuum analyze');
  } finally {
    await db.end();
  }
};

const SETTINGS = [
  `set session_replication_role = 'replica'`,
  'set synchronous_commit = off',
  `set work_mem = '512MB'`,
  `set maintenance_work_mem = '512MB'`,
];

/** Those of partitions too. Primary keys stay, since others refer to them. Returns what makes the rest again. */
const dropIndexes = async (db: pg.Client, tables: readonly string[]): Promise<readonly string[]> => {
  const { rows } = await db.query<{ drop: string; make: string }>(
    `select case when c.oid is null then format('drop index %s', i.indexrelid::regclass)
                 else format('alter table %s drop constraint %I', i.indrelid::regclass, c.conname) end as drop,
            case when c.oid is null then replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
                 else format('alter table %s add constraint %I %s', i.indrelid::regclass, c.conname,
                             pg_get_constraintdef(c.oid)) end as make
     from pg_index i left join pg_constraint c on c.conindid = i.indexrelid and c.contype = 'u'
     join pg_class own on own.oid = i.indexrelid
     where not i.indisprimary and not own.relispartition and i.indrelid in (
       select unnest($1::regclass[]) union select tree.relid from unnest($1::regclass[]) t, pg_partition_tree(t) tree)`,
    [tables],
  );
  for (const { drop } of rows) await db.query(drop);
  return rows.map(({ make }) => make);
};

const copyRows = async (db: pg.Client, copy: Copy): Promise<void> => {
  const { table, where, each, copies, order } = copy;
  const { rows: found } = await db.query<{ name: string; identity: boolean }>(
    `select attname as name, attidentity <> '' as identity from pg_attribute
     where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum`,
    [table],
  );
  // What counts by itself goes on counting, unless it is said.
  const columns = found.filter(({ name, identity }) => !identity || name in each).map(({ name }) => name);
  const values = columns.map((name) => each[name] ?? `p.${name}`);
  const { rowCount } = await db.query(
    `insert into ${table} (${columns.join(', ')}) overriding system value
     select ${values.join(', ')} from (select * from ${table} p where ${where} limit 10) p, generate_series(1, ${copies}) g
     ${order === undefined ? '' : `order by ${order}`}`,
  );
  if (rowCount === 0)
    throw new Error(`a finished job has left nothing in ${table}: the bench must learn where it is now`);
};
