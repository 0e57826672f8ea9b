/** The audit's records: added and read, never changed. */
import type { AuditRecord, ChainHead } from '../core/audit-chain.ts';
import { asJson, type Queryable } from './transaction.ts';

/** Adds records; those that are there already, from a try whose answer was lost, are left as they are. */
export const insertAuditRecords = async (db: Queryable, records: readonly AuditRecord[]): Promise<void> => {
  await db.query(
    `insert into audit (replica, seq, text, previous, hash)
     select replica, seq, text, previous, hash
     from jsonb_to_recordset($1::jsonb) as r(replica uuid, seq bigint, text text, previous text, hash text)
     on conflict (replica, seq) do nothing`,
    [asJson(records)],
  );
};

/** The ends of the chains that were written to last, at most `limit` of them, the latest first. */
export const readAuditHeads = async (db: Queryable, limit: number): Promise<readonly ChainHead[]> => {
  const { rows } = await db.query<ChainHead>(
    `select last.replica, last.seq::double precision as seq, last.hash from audit chain
     cross join lateral (
       select replica, seq, hash, recorded_at from audit where replica = chain.replica order by seq desc limit 1) last
     where chain.seq = 1
     order by last.recorded_at desc, last.replica limit $1`,
    [limit],
  );
  return rows;
};

/** The digest of the configuration that a replica recorded last; null: none ever did. */
export const readLastConfiguration = async (db: Queryable): Promise<string | null> => {
  const { rows } = await db.query<{ configuration: string | null }>(
    `select text::jsonb->>'configuration' as configuration from audit
     where seq = 1 order by recorded_at desc, replica limit 1`,
  );
  return rows[0]?.configuration ?? null;
};

/**
 * The next records after `last`, in order, chain by chain; chains are in no order that means anything.
 * @param until the last replica whose chain is wanted.
 */
export const readAuditPage = async (
  db: Queryable,
  { last, until }: { readonly last: Pick<ChainHead, 'replica' | 'seq'>; readonly until: string },
  limit: number,
): Promise<readonly AuditRecord[]> => {
  const { rows } = await db.query<AuditRecord>(
    `select replica, seq::double precision as seq, text, previous, hash from audit
     where (replica, seq) > ($1, $2) and replica <= $3 order by replica, seq limit $4`,
    [last.replica, last.seq, until, limit],
  );
  return rows;
};

/** The hash of the record at each of these places, in their order; null: there is none. */
export const readAuditHashes = async (
  db: Queryable,
  places: readonly Pick<ChainHead, 'replica' | 'seq'>[],
): Promise<readonly (string | null)[]> => {
  const { rows } = await db.query<{ hash: string | null }>(
    `select a.hash from unnest($1::uuid[], $2::bigint[]) with ordinality p(replica, seq, n)
     left join audit a on a.replica = p.replica and a.seq = p.seq order by p.n`,
    [places.map(({ replica }) => replica), places.map(({ seq }) => seq)],
  );
  return rows.map(({ hash }) => hash);
};

export type AuditLine = {
  readonly replica: string;
  readonly seq: number;
  readonly recordedAt: Date;
  readonly text: string;
};

/** The newest records, the newest first; facts of one kind belong together by their replica and number. */
export const readAuditLines = async (db: Queryable, limit: number): Promise<readonly AuditLine[]> => {
  const { rows } = await db.query<AuditLine>(
    `select replica, seq::double precision as seq, recorded_at as "recordedAt", text from audit
     order by recorded_at desc, replica, seq desc limit $1`,
    [limit],
  );
  return rows;
};
