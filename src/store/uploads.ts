/** The index of what DUTs uploaded. The bytes are in files, of which this knows the names. */
import type { UploadKind } from '../core/upload.ts';
import type { Queryable } from './transaction.ts';

export type UploadRow = {
  readonly id: string;
  /** The folder of files. */
  readonly depot: string;
  readonly instance: string;
  readonly kind: UploadKind;
  /** Below that folder. */
  readonly path: string;
  /** Where in the file it begins; null: it is the whole file. */
  readonly startsAt: number | null;
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
  /** As the DUT said them; null: it did not. */
  readonly serial: string | null;
  readonly stage: string | null;
  readonly reportName: string | null;
  /** An address. */
  readonly peer: string;
  readonly adopted: boolean;
};

/** Uploads under one key wait for each other until the transaction ends. */
export const lockUploads = async (db: Queryable, depot: string, key: string): Promise<void> => {
  await db.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`upload ${depot} ${key}`]);
};

/** The path of a report that says the same of the same DUT; null: there is none. */
export const findSameReport = async (
  db: Queryable,
  { depot, sha256, serial, stage, reportName }: Pick<UploadRow, 'depot' | 'sha256' | 'serial' | 'stage' | 'reportName'>,
): Promise<string | null> => {
  const { rows } = await db.query<{ path: string }>(
    `select path from uploads
     where kind = 'REPORT' and depot = $1 and sha256 = decode($2, 'hex') and serial is not distinct from $3
       and stage is not distinct from $4 and report_name is not distinct from $5`,
    [depot, sha256, serial, stage, reportName],
  );
  return rows[0]?.path ?? null;
};

/** The hash of what was last kept under a path; null: nothing was. */
export const readLatestHash = async (db: Queryable, depot: string, path: string): Promise<string | null> => {
  const { rows } = await db.query<{ sha256: string }>(
    `select encode(sha256, 'hex') as sha256 from uploads where depot = $1 and path = $2 order by number desc limit 1`,
    [depot, path],
  );
  return rows[0]?.sha256 ?? null;
};

/** Where the next piece of a file begins: behind the last. */
export const readEndOfFile = async (db: Queryable, depot: string, path: string): Promise<number> => {
  const { rows } = await db.query<{ ends: number }>(
    `select (starts_at + bytes)::float8 as ends from uploads
     where depot = $1 and path = $2 and starts_at is not null order by number desc limit 1`,
    [depot, path],
  );
  return rows[0]?.ends ?? 0;
};

/** By peer, the hash of what it appended last to a file; a peer that never did is not there. */
export const readLastOfPeers = async (
  db: Queryable,
  depot: string,
  path: string,
  peers: readonly string[],
  withinMs: number,
): Promise<Map<string, string>> => {
  const { rows } = await db.query<{ peer: string; sha256: string }>(
    `select asked.peer, encode(last.sha256, 'hex') as sha256
     from unnest($3::text[]) as asked (peer), lateral (
       select sha256, received_at from uploads
       where depot = $1 and path = $2 and peer = asked.peer and starts_at is not null order by number desc limit 1
     ) as last
     where last.received_at > farm_now() - make_interval(secs => $4::float8 / 1000)
     order by asked.peer`,
    [depot, path, peers, withinMs],
  );
  return new Map(rows.map(({ peer, sha256 }) => [peer, sha256]));
};

/** What is kept of the uploads that a serial made since so many ms. */
export const readBytesOfSerial = async (db: Queryable, serial: string, withinMs: number): Promise<number> => {
  const { rows } = await db.query<{ bytes: number }>(
    `select coalesce(sum(bytes), 0)::float8 as bytes from uploads
     where serial = $1 and received_at > farm_now() - make_interval(secs => $2::float8 / 1000)`,
    [serial, withinMs],
  );
  return rows[0]?.bytes ?? 0;
};

/** In the order given. One that is there already, by its id or by its meaning, stays as it is. */
export const insertUploads = async (db: Queryable, uploads: readonly UploadRow[]): Promise<void> => {
  await db.query(
    `insert into uploads (id, depot, instance, kind, path, starts_at, bytes, sha256, serial, stage, report_name, peer, adopted)
     select u.id, u.depot, u.instance, u.kind, u.path, u."startsAt", u.bytes, decode(u.sha256, 'hex'), u.serial, u.stage,
       u."reportName", u.peer, u.adopted
     from json_to_recordset($1) as u (id uuid, depot text, instance text, kind text, path text, "startsAt" bigint,
       bytes bigint, sha256 text, serial text, stage text, "reportName" text, peer text, adopted boolean)
     on conflict do nothing`,
    [JSON.stringify(uploads)],
  );
};

/** Which of these are on record, by their ids. */
export const readKnownUploads = async (db: Queryable, ids: readonly string[]): Promise<Set<string>> => {
  const { rows } = await db.query<{ id: string }>('select id from uploads where id = any($1::uuid[]) order by id', [
    ids,
  ]);
  return new Set(rows.map(({ id }) => id));
};

/** Which of these paths are some upload's. */
export const readKnownPaths = async (db: Queryable, depot: string, paths: readonly string[]): Promise<Set<string>> => {
  const { rows } = await db.query<{ path: string }>(
    'select distinct path from uploads where depot = $1 and path = any($2) order by path',
    [depot, paths],
  );
  return new Set(rows.map(({ path }) => path));
};
