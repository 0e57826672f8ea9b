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

/** The chains there are, the oldest first. */
export const readAuditChains = async (db: Queryable): Promise<readonly string[]> => {
  const { rows } = await db.query<{ replica: string }>(
    'select replica, min(recorded_at) as begun from audit group by replica order by begun, replica',
  );
  return rows.map(({ replica }) => replica);
};

/** The next records of a chain after `after`, in order. */
export const readAuditChain = async (
  db: Queryable,
  { replica, after, limit }: { readonly replica: string; readonly after: number; readonly limit: number },
): Promise<readonly AuditRecord[]> => {
  const { rows } = await db.query<AuditRecord>(
    `select replica, seq::double precision as seq, text, previous, hash from audit
     where replica = $1 and seq > $2 order by seq limit $3`,
    [replica, after, limit],
  );
  return rows;
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
