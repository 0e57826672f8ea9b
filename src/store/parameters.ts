/** Versions of the files that DUTs are given by name, and the history of which was active. */
import type { ParameterActivation, ParameterContent, ParameterVersion } from '../core/parameter.ts';
import type { Queryable } from './transaction.ts';

/** Which file of which folder. */
export type ParameterName = { readonly depot: string; readonly path: string };

/** Newest first. */
export const readVersions = async (
  db: Queryable,
  { depot, path }: ParameterName,
): Promise<readonly ParameterVersion[]> => {
  const { rows } = await db.query<ParameterVersion>(
    `select version, encode(sha256, 'hex') as sha256, bytes::float8 as bytes, origin, note, made_by as "madeBy",
       made_at as "madeAt"
     from parameter_versions where depot = $1 and path = $2 order by version desc`,
    [depot, path],
  );
  return rows;
};

/** Newest first: the first is of the active version. */
export const readActivations = async (
  db: Queryable,
  { depot, path }: ParameterName,
  limit: number,
): Promise<readonly ParameterActivation[]> => {
  const { rows } = await db.query<ParameterActivation>(
    `select version, reason, activated_by as "activatedBy", activated_at as "activatedAt"
     from parameter_activations where depot = $1 and path = $2 order by number desc limit $3`,
    [depot, path, limit],
  );
  return rows;
};

/** The version that was active before the active one; null: none was. */
export const readFormerVersion = async (db: Queryable, { depot, path }: ParameterName): Promise<number | null> => {
  const { rows } = await db.query<{ version: number }>(
    `with active as (
       select version from parameter_activations where depot = $1 and path = $2 order by number desc limit 1
     )
     select version from parameter_activations
     where depot = $1 and path = $2 and version <> (select version from active) order by number desc limit 1`,
    [depot, path],
  );
  return rows[0]?.version ?? null;
};

export type NewVersion = ParameterName &
  ParameterContent &
  Pick<ParameterVersion, 'origin' | 'note' | 'madeBy'> & { readonly instance: string };

/** Whoever calls has locked the path. Returns its number. */
export const insertVersion = async (db: Queryable, made: NewVersion): Promise<number> => {
  const { depot, path, instance, bytes, sha256, origin, note, madeBy } = made;
  const { rows } = await db.query<{ version: number }>(
    `insert into parameter_versions (depot, path, version, instance, bytes, sha256, origin, note, made_by)
     select $1::text, $2::text, coalesce(max(version), 0) + 1, $3::text, $4::bigint, decode($5, 'hex'), $6::text, $7::text, $8::text
     from parameter_versions where depot = $1 and path = $2
     returning version`,
    [depot, path, instance, bytes, sha256, origin, note, madeBy],
  );
  return rows[0]?.version ?? 0;
};

export const insertActivation = async (
  db: Queryable,
  { depot, path }: ParameterName,
  { version, reason, activatedBy }: Omit<ParameterActivation, 'activatedAt'>,
): Promise<void> => {
  await db.query(
    `insert into parameter_activations (depot, path, version, reason, activated_by) values ($1, $2, $3, $4, $5)`,
    [depot, path, version, reason, activatedBy],
  );
};

export const countParameters = async (db: Queryable, depot: string): Promise<number> => {
  const { rows } = await db.query<{ n: number }>(
    'select count(distinct path)::int as n from parameter_versions where depot = $1',
    [depot],
  );
  return rows[0]?.n ?? 0;
};

export type ParameterOnRecord = {
  readonly path: string;
  readonly versions: number;
  /** Null: none is active. */
  readonly active: (ParameterActivation & ParameterContent) | null;
};

/** By path. At most as many as a folder may have. */
export const readParameters = async (db: Queryable, depot: string): Promise<readonly ParameterOnRecord[]> => {
  const { rows } = await db.query<ParameterOnRecord & { readonly active: { readonly activatedAt: string } | null }>(
    `select v.path, count(*)::int as versions, (
       select json_build_object('version', a.version, 'reason', a.reason, 'activatedBy', a.activated_by,
         'activatedAt', a.activated_at, 'sha256', encode(of.sha256, 'hex'), 'bytes', of.bytes)
       from parameter_activations a
         join parameter_versions of on of.depot = a.depot and of.path = a.path and of.version = a.version
       where a.depot = $1 and a.path = v.path order by a.number desc limit 1
     ) as active
     from parameter_versions v where v.depot = $1 group by v.path order by v.path collate "C"`,
    [depot],
  );
  return rows.map(({ active, ...row }) => ({
    ...row,
    active: active === null ? null : { ...active, activatedAt: new Date(active.activatedAt) },
  }));
};
