/** Bots' tokens: the hash of each secret, whose it is, until when, and who ended it. */
import type { Queryable } from './transaction.ts';

/** For people; no hash. */
export type BotTokenRow = {
  readonly id: string;
  readonly instance: string;
  readonly botId: string;
  readonly createdAt: Date;
  /** Principals by name. */
  readonly createdBy: string;
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
  readonly revokedBy: string | null;
  /** By the database's clock; at most zero: over. */
  readonly expiresInMs: number;
};

const EXPIRES_IN_MS = 'extract(epoch from expires_at - farm_now())::double precision * 1000 as "expiresInMs"';
const COLUMNS = `id, instance, bot_id as "botId", created_at as "createdAt", created_by as "createdBy",
  expires_at as "expiresAt", revoked_at as "revokedAt", revoked_by as "revokedBy", ${EXPIRES_IN_MS}`;
const IS_VALID = 'revoked_at is null and expires_at > farm_now()';

/** Orders what is done to the tokens of a bot, so that counting them and adding one are one step. */
export const lockBotTokens = async (db: Queryable, instance: string, botId: string): Promise<void> => {
  await db.query(`select pg_advisory_xact_lock(hashtextextended('bot tokens:' || $1, 0))`, [
    JSON.stringify([instance, botId]),
  ]);
};

/** Of one bot, newest first. */
export const readValidTokens = async (db: Queryable, instance: string, botId: string): Promise<BotTokenRow[]> => {
  const { rows } = await db.query<BotTokenRow>(
    `select ${COLUMNS} from bot_tokens where instance = $1 and bot_id = $2 and ${IS_VALID}
     order by created_at desc, id`,
    [instance, botId],
  );
  return rows;
};

export const insertBotToken = async (
  db: Queryable,
  token: {
    readonly id: string;
    readonly instance: string;
    readonly botId: string;
    readonly secretSha256: Buffer;
    readonly createdBy: string;
    readonly expiresInMs: number;
  },
): Promise<BotTokenRow> => {
  const { rows } = await db.query<BotTokenRow>(
    `insert into bot_tokens (id, instance, bot_id, secret_sha256, created_by, expires_at)
     values ($1, $2, $3, $4, $5, farm_now() + $6::double precision * interval '1 millisecond')
     returning ${COLUMNS}`,
    [token.id, token.instance, token.botId, token.secretSha256, token.createdBy, token.expiresInMs],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('insert returned no row');
  return row;
};

/** Lets tokens end after the overlap, unless they end sooner anyway. */
export const shortenTokens = async (db: Queryable, ids: readonly string[], overlapMs: number): Promise<void> => {
  await db.query(
    `update bot_tokens set expires_at = least(expires_at, farm_now() + $2::double precision * interval '1 millisecond')
     where id = any($1::uuid[])`,
    [ids, overlapMs],
  );
};

/** Those of an instance that still hold: one token, or all of one bot. Returns what it ended, newest first. */
export const revokeTokens = async (
  db: Queryable,
  which: { readonly instance: string } & ({ readonly id: string } | { readonly botId: string }),
  revokedBy: string,
): Promise<BotTokenRow[]> => {
  const { rows } = await db.query<BotTokenRow>(
    `update bot_tokens set revoked_at = farm_now(), revoked_by = $4
     where instance = $1 and ($2::uuid is null or id = $2) and ($3::text is null or bot_id = $3) and ${IS_VALID}
     returning ${COLUMNS}`,
    [which.instance, 'id' in which ? which.id : null, 'botId' in which ? which.botId : null, revokedBy],
  );
  return rows.sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
};

/** Null: there was none under this id in the instance. */
export const readBotToken = async (db: Queryable, instance: string, id: string): Promise<BotTokenRow | null> => {
  const { rows } = await db.query<BotTokenRow>(`select ${COLUMNS} from bot_tokens where instance = $1 and id = $2`, [
    instance,
    id,
  ]);
  return rows[0] ?? null;
};

/** A page, ordered by bot and by id. */
export const readTokenPage = async (
  db: Queryable,
  filter: { readonly instance: string; readonly botId: string | null; readonly validOnly: boolean },
  page: {
    /** The token that the page begins after; null: the first page. */
    readonly after: { readonly botId: string; readonly id: string } | null;
    readonly limit: number;
  },
): Promise<BotTokenRow[]> => {
  const { rows } = await db.query<BotTokenRow>(
    `select ${COLUMNS} from bot_tokens
     where instance = $1 and ($2::text is null or bot_id = $2) and (not $3 or ${IS_VALID})
       and ($4::text is null or (bot_id, id) > ($4, $5::uuid))
     order by bot_id, id limit $6`,
    [filter.instance, filter.botId, filter.validOnly, page.after?.botId ?? null, page.after?.id ?? null, page.limit],
  );
  return rows;
};

/** A token as a replica remembers it. */
export type KnownToken = {
  readonly id: string;
  readonly instance: string;
  readonly botId: string;
  readonly secretSha256: Buffer;
  readonly expiresInMs: number;
  readonly isRevoked: boolean;
};

/** Where the next reading goes on: in which life of which server, and below which transaction everything was seen. */
export type TokenHorizon = { readonly server: string; readonly xmin: string };

export type TokenReading = {
  readonly tokens: readonly KnownToken[];
  readonly horizon: TokenHorizon;
  /** All that matter are there, and not only what changed: what is not among them is gone. */
  readonly isWhole: boolean;
};

/** What ended longer ago than 7 days is no longer told from what never was. */
const ALL = `least(expires_at, revoked_at) > farm_now() - interval '7 days' and $1::xid8 is null`;
const CHANGED = 'changed_xact >= $1::xid8';

/** A restart, a promotion and a restore each count transactions anew. */
const SERVER = `concat_ws(' ', pg_postmaster_start_time(), inet_server_addr(), inet_server_port(),
  (select oid from pg_database where datname = current_database()))`;

const readingWhere = (condition: string): string =>
  `select ${SERVER} as server, pg_snapshot_xmin(pg_current_snapshot())::text as xmin,
     (select coalesce(jsonb_agg(found), '[]') from (
        select id, instance, bot_id as "botId", encode(secret_sha256, 'hex') as "secretHex", ${EXPIRES_IN_MS},
          revoked_at is not null as "isRevoked"
        from bot_tokens where ${condition}) found) as tokens`;
const READ_ALL = readingWhere(ALL);
const READ_CHANGED = readingWhere(CHANGED);

/** What may have changed since a former reading; null: everything. */
export const readTokens = async (db: Queryable, since: TokenHorizon | null): Promise<TokenReading> => {
  const { rows } = await db.query<TokenHorizon & { tokens: readonly HexToken[] }>(
    since === null ? READ_ALL : READ_CHANGED,
    [since?.xmin ?? null],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the reading of tokens returned no row');
  const { server, xmin, tokens } = row;
  if (since !== null && since.server !== server) return readTokens(db, null);
  return { horizon: { server, xmin }, isWhole: since === null, tokens: tokens.map(toKnownToken) };
};

type HexToken = Omit<KnownToken, 'secretSha256'> & { readonly secretHex: string };

const toKnownToken = ({ secretHex, ...token }: HexToken): KnownToken => ({
  ...token,
  secretSha256: Buffer.from(secretHex, 'hex'),
});
