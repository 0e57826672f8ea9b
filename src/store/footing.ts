/** What the farm stands on, and what nobody tells it when it changes: the server's settings, and the schema. */
import { compareMigrations, type MigrationStatus, readKnownMigrations } from './migrate.ts';
import type { Queryable } from './transaction.ts';

export type Footing = {
  /** A commit that was answered is on the disk: `fsync` is on, and `synchronous_commit` not off. Checked at the start, too. */
  readonly isDurable: boolean;
  readonly schema: Pick<MigrationStatus, 'pending' | 'future' | 'changed'>;
};

type Row = { readonly isDurable: boolean; readonly applied: MigrationStatus['applied'] };

/** This build's own files are read once. */
export const createFootingReader = (): ((db: Queryable) => Promise<Footing>) => {
  let known: ReturnType<typeof readKnownMigrations> | null = null;
  return async (db) => {
    known ??= readKnownMigrations();
    const { rows } = await db.query<Row>(
      `select current_setting('fsync') = 'on' and current_setting('synchronous_commit') <> 'off' as "isDurable",
         (select coalesce(jsonb_agg(m), '[]') from (
           select number, name, sha256, applied_at as "appliedAt" from schema_migrations) m) as applied`,
    );
    const [row] = rows;
    if (row === undefined) throw new Error("the reading of the server's settings returned no row");
    return { isDurable: row.isDurable, schema: compareMigrations(await known, row.applied) };
  };
};
