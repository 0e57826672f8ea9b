/** Uploads past their time. */
import type { Queryable } from './transaction.ts';

export type OldUploads = { readonly depot: string; readonly keepDays: number };

/**
 * Paths of which something is past its time. A file that is appended to goes as one, when all of it is.
 * @param limit so many, the first by name.
 */
export const readOldPaths = async (
  db: Queryable,
  { depot, keepDays }: OldUploads,
  limit: number,
): Promise<readonly string[]> => {
  const { rows } = await db.query<{ path: string }>(
    `select distinct path from uploads u
     where depot = $1 and received_at < farm_now() - $2::integer * interval '1 day'
       and (starts_at is null or not exists (
         select from uploads newer where newer.depot = u.depot and newer.path = u.path
           and newer.received_at >= farm_now() - $2::integer * interval '1 day'))
     order by path limit $3`,
    [depot, keepDays, limit],
  );
  return rows.map(({ path }) => path);
};

/** Whoever calls has locked the path. Returns the hashes of the whole files that went, each once. */
export const deleteOldUploads = async (
  db: Queryable,
  { depot, keepDays }: OldUploads,
  path: string,
): Promise<readonly string[]> => {
  const { rows } = await db.query<{ sha256: string }>(
    `with gone as (
       delete from uploads u
       where depot = $1 and path = $3 and received_at < farm_now() - $2::integer * interval '1 day'
         and (starts_at is null or not exists (
           select from uploads newer where newer.depot = u.depot and newer.path = u.path
             and newer.received_at >= farm_now() - $2::integer * interval '1 day'))
       returning sha256, starts_at)
     select distinct encode(sha256, 'hex') as sha256 from gone where starts_at is null order by sha256`,
    [depot, keepDays, path],
  );
  return rows.map(({ sha256 }) => sha256);
};

/** Which of these contents no whole file on record has. */
export const readUnnamed = async (
  db: Queryable,
  depot: string,
  contents: readonly string[],
): Promise<readonly string[]> => {
  const { rows } = await db.query<{ sha256: string }>(
    `select asked.sha256 from unnest($2::text[]) as asked (sha256)
     where not exists (
       select from uploads where depot = $1 and sha256 = decode(asked.sha256, 'hex') and starts_at is null)
     order by asked.sha256`,
    [depot, contents],
  );
  return rows.map(({ sha256 }) => sha256);
};

/** Of all uploads to a folder that are on record. */
export const readBytesOfDepot = async (db: Queryable, depot: string): Promise<number> => {
  const { rows } = await db.query<{ bytes: number }>(
    'select coalesce(sum(bytes), 0)::float8 as bytes from uploads where depot = $1',
    [depot],
  );
  return rows[0]?.bytes ?? 0;
};
