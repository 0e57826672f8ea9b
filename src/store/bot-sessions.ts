/** The bot_sessions table and the bots it belongs to. */
import type { Registration } from '../core/takeover.ts';
import { asJson, type Queryable } from './transaction.ts';

export type SessionState = 'OPEN' | 'LAPSED' | 'CLOSED';

/** What the bot says of itself; changes mid-session are honoured. */
export type Declared = {
  readonly status: number;
  readonly version: string;
  readonly capacity: number;
  /** JSON text of the canonical properties, `{"key":["value",…]}`. */
  readonly properties: string;
  readonly deviceIds: readonly number[];
};

export type SessionRow = Declared & {
  readonly name: string;
  readonly instance: string;
  readonly botId: string;
  readonly state: SessionState;
  readonly closedReason: string | null;
  readonly closedAt: Date | null;
  readonly attachEpoch: number;
  readonly homeReplica: string;
  readonly expiresAt: Date;
  readonly quarantineReason: string | null;
  /** ERROR events stand against the bot. */
  readonly erring: boolean;
};

const COLUMNS = `
  s.name, s.instance, s.bot_id as "botId", s.state, s.closed_reason as "closedReason", s.closed_at as "closedAt",
  s.status, s.version, s.capacity, s.properties::text as properties, s.device_ids as "deviceIds",
  s.attach_epoch as "attachEpoch", s.home_replica as "homeReplica", s.expires_at as "expiresAt",
  (select b.quarantine_reason from bots b where b.instance = s.instance and b.bot_id = s.bot_id)
    as "quarantineReason",
  (select b.error_events > 0 from bots b where b.instance = s.instance and b.bot_id = s.bot_id) as erring`;

/** A session as its home saw it; the write applies only while that is still true. */
export type Attached = { readonly name: string; readonly attachEpoch: number };

/** Which sessions are attached as they were seen, and when that was so. */
export type Fence = { readonly now: Date; readonly isAttached: (session: Attached) => boolean };

/**
 * The fence of every write through a session: locks those still attached here, by name, and says which and when. By epoch,
 * not by name alone: a replica that took a session again may still have a write of its former time.
 */
export const lockAttached = (db: Queryable, sessions: readonly Attached[]): Promise<Fence> =>
  fence(db, attachedSql('for update of s'), sessions);

/** The same, without waiting: a session that somebody else has locked is as good as detached. So it may come out of lock order. */
export const lockAttachedIfFree = (db: Queryable, sessions: readonly Attached[]): Promise<Fence> =>
  fence(db, attachedSql('for update of s skip locked'), sessions);

const attachedSql = (lock: 'for update of s' | 'for update of s skip locked'): string =>
  `with locked as (
     select s.name, s.attach_epoch from bot_sessions s
     join jsonb_to_recordset($1::jsonb) as r(name text, "attachEpoch" bigint)
       on s.name = r.name and s.attach_epoch = r."attachEpoch"
     where s.state <> 'CLOSED'
     order by s.name ${lock})
   select farm_now() as now, locked.name, locked.attach_epoch as "attachEpoch"
   from (select) one left join locked on true`;

const fence = async (db: Queryable, sql: string, sessions: readonly Attached[]): Promise<Fence> => {
  const { rows } = await db.query<{ now: Date; name: string | null; attachEpoch: number }>(sql, [
    asJson(sessions.map(({ name, attachEpoch }) => ({ name, attachEpoch }))),
  ]);
  const [first] = rows;
  if (first === undefined) throw new Error('farm_now() returned no row');
  const epochs = new Map(
    rows.flatMap(({ name, attachEpoch }) => (name === null ? [] : [[name, attachEpoch] as const])),
  );
  return { now: first.now, isAttached: ({ name, attachEpoch }) => epochs.get(name) === attachEpoch };
};

/** Takes sessions over to this replica: those still open get a new epoch, which fences the former home. */
export const attachSessions = async (
  db: Queryable,
  names: readonly string[],
  home: { readonly replica: string; readonly ttlMs: number },
): Promise<SessionRow[]> => {
  const { rows } = await db.query<SessionRow>(
    `with locked as (
       select name from bot_sessions where name = any($1::text[]) and state <> 'CLOSED' order by name for update)
     update bot_sessions s
     set attach_epoch = s.attach_epoch + 1, home_replica = $2, state = 'OPEN', seen_at = farm_now(),
         expires_at = farm_now() + $3 * interval '1 millisecond'
     from locked where s.name = locked.name
     returning ${COLUMNS}`,
    [names, home.replica, home.ttlMs],
  );
  return rows;
};

export const readSessions = async (db: Queryable, names: readonly string[]): Promise<SessionRow[]> => {
  const { rows } = await db.query<SessionRow>(
    `select ${COLUMNS} from bot_sessions s where s.name = any($1::text[]) order by s.name`,
    [names],
  );
  return rows;
};

export type BotKey = { readonly instance: string; readonly botId: string };

/** A bot's identity as it was locked. */
export type LockedBot = BotKey & {
  readonly now: Date;
  readonly quarantineReason: string | null;
  readonly takeovers: readonly Registration[];
};

/**
 * Locks the identities of bots, making those that are new: sessions of one bot begin one after another. Ordered, so that
 * batches that name the same bots wait for each other, and never in a circle.
 */
export const lockIdentities = async (db: Queryable, bots: readonly BotKey[]): Promise<LockedBot[]> => {
  const keys = asJson(bots.map(({ instance, botId }) => ({ instance, botId })));
  const [, { rows }] = await Promise.all([
    db.query(
      `insert into bots (instance, bot_id)
       select r.instance, r."botId" from jsonb_to_recordset($1::jsonb) as r(instance text, "botId" text)
       order by r.instance, r."botId"
       on conflict do nothing`,
      [keys],
    ),
    db.query<LockedBot>(
      `select b.instance, b.bot_id as "botId", farm_now() as now, b.quarantine_reason as "quarantineReason", b.takeovers
       from bots b join jsonb_to_recordset($1::jsonb) as r(instance text, "botId" text)
         on b.instance = r.instance and b.bot_id = r."botId"
       order by b.instance, b.bot_id for update of b`,
      [keys],
    ),
  ]);
  if (rows.length !== bots.length) throw new Error('a bot vanished while it was being locked');
  return rows;
};

export const writeTakeovers = async (
  db: Queryable,
  bots: readonly (BotKey & { readonly takeovers: readonly Registration[] })[],
): Promise<void> => {
  await db.query(
    `update bots b set takeovers = r.takeovers
     from jsonb_to_recordset($1::jsonb) as r(instance text, "botId" text, takeovers jsonb)
     where b.instance = r.instance and b.bot_id = r."botId"`,
    [asJson(bots.map(({ instance, botId, takeovers }) => ({ instance, botId, takeovers })))],
  );
};

/** The bots' live sessions, locked; at most one of each by the schema. */
export const lockLiveSessions = async (db: Queryable, bots: readonly BotKey[]): Promise<SessionRow[]> => {
  const { rows } = await db.query<SessionRow>(
    `select ${COLUMNS} from bot_sessions s
     join jsonb_to_recordset($1::jsonb) as r(instance text, "botId" text)
       on s.instance = r.instance and s.bot_id = r."botId"
     where s.state <> 'CLOSED' order by s.name for update of s`,
    [asJson(bots.map(({ instance, botId }) => ({ instance, botId })))],
  );
  return rows;
};

export type NewSession = Declared &
  BotKey & {
    readonly name: string;
    readonly peer: string;
    /** Leases that come along from the session before it. */
    readonly adopted: number;
  };

export const insertSessions = async (
  db: Queryable,
  sessions: readonly NewSession[],
  home: { readonly replica: string; readonly ttlMs: number },
): Promise<void> => {
  await db.query(
    `insert into bot_sessions (name, instance, bot_id, state, status, version, capacity, properties, device_ids, peer,
                               home_replica, expires_at, leases_allowed)
     select r.name, r.instance, r."botId", 'OPEN', r.status, r.version, r.capacity, r.properties::jsonb,
            array(select d::bigint from jsonb_array_elements_text(r."deviceIds") d), r.peer, $2,
            farm_now() + $3 * interval '1 millisecond', greatest(r.capacity, r.adopted)
     from jsonb_to_recordset($1::jsonb) as r(
       name text, instance text, "botId" text, status integer, version text, capacity integer, properties text,
       "deviceIds" jsonb, peer text, adopted integer)
     order by r.instance, r."botId"`,
    [asJson(sessions), home.replica, home.ttlMs],
  );
};

export const closeSessions = async (
  db: Queryable,
  sessions: readonly { readonly name: string; readonly reason: string }[],
): Promise<void> => {
  if (sessions.length === 0) return;
  await db.query(
    `update bot_sessions s set state = 'CLOSED', closed_reason = r.reason, closed_at = farm_now()
     from jsonb_to_recordset($1::jsonb) as r(name text, reason text)
     where s.name = r.name and s.state <> 'CLOSED'`,
    [asJson(sessions)],
  );
};

/** Ends sessions by their bots' own word. One that holds an open lease after all goes on; those that ended come back. */
export const endSessions = async (
  db: Queryable,
  sessions: readonly { readonly name: string; readonly reason: string }[],
): Promise<{ readonly instance: string; readonly botId: string; readonly reason: string }[]> => {
  if (sessions.length === 0) return [];
  const { rows } = await db.query<{ instance: string; botId: string; reason: string }>(
    `update bot_sessions s set state = 'CLOSED', closed_reason = r.reason, closed_at = farm_now()
     from jsonb_to_recordset($1::jsonb) as r(name text, reason text)
     where s.name = r.name and s.state <> 'CLOSED' and not exists (
       select from open_leases l where l.session_name = s.name)
     returning s.instance, s.bot_id as "botId", r.reason`,
    [asJson(sessions)],
  );
  return rows;
};

/** Bots that were heard of now. The sessions are locked and attached. */
export const renewSessions = async (db: Queryable, names: readonly string[], ttlMs: number): Promise<void> => {
  if (names.length === 0) return;
  await db.query(
    `update bot_sessions
     set state = 'OPEN', seen_at = farm_now(), expires_at = farm_now() + $2 * interval '1 millisecond'
     where name = any($1::text[])`,
    [names, ttlMs],
  );
};

/** Locks bots by name. Bots come before sessions in the lock order, as where a session begins. */
export const lockBots = async (
  db: Queryable,
  bots: readonly { readonly instance: string; readonly botId: string }[],
): Promise<void> => {
  if (bots.length === 0) return;
  await db.query(
    `select from bots b join jsonb_to_recordset($1::jsonb) as r(instance text, "botId" text)
       on b.instance = r.instance and b.bot_id = r."botId"
     order by b.instance, b.bot_id for update of b`,
    [asJson(bots.map(({ instance, botId }) => ({ instance, botId })))],
  );
};

/** Stores what bots newly say of themselves (R-UPD-2). The sessions are locked and attached. */
export const declareSessions = async (
  db: Queryable,
  sessions: readonly (Declared & { readonly name: string })[],
): Promise<void> => {
  if (sessions.length === 0) return;
  await db.query(
    `update bot_sessions s
     set status = r.status, version = r.version, capacity = r.capacity, properties = r.properties::jsonb,
         leases_allowed = greatest(r.capacity, (
           select count(*) from open_leases l where l.session_name = s.name)),
         device_ids = array(select d::bigint from jsonb_array_elements_text(r."deviceIds") d), seen_at = farm_now()
     from jsonb_to_recordset($1::jsonb) as r(
       name text, status integer, version text, capacity integer, properties text, "deviceIds" jsonb)
     where s.name = r.name`,
    [asJson(sessions)],
  );
};

/** A completed lease clears what stood against its bot. */
export const clearErrors = async (
  db: Queryable,
  bots: readonly { readonly instance: string; readonly botId: string }[],
): Promise<void> => {
  if (bots.length === 0) return;
  await db.query(
    `update bots b set error_events = 0
     from jsonb_to_recordset($1::jsonb) as r(instance text, "botId" text)
     where b.instance = r.instance and b.bot_id = r."botId" and b.error_events > 0`,
    [asJson(bots.map(({ instance, botId }) => ({ instance, botId })))],
  );
};

/** The first reason stands until the bot is released. False: it was quarantined before. */
export const quarantineBot = async (
  db: Queryable,
  bot: { readonly instance: string; readonly botId: string },
  reason: string,
): Promise<boolean> => {
  const { rowCount } = await db.query(
    `update bots set quarantine_reason = $3, quarantined_at = farm_now()
     where instance = $1 and bot_id = $2 and quarantine_reason is null`,
    [bot.instance, bot.botId, reason],
  );
  return rowCount === 1;
};

/** Records what a bot posted and counts its errors in a row; INFO clears them. Returns the count. */
export const recordBotEvent = async (
  db: Queryable,
  event: {
    readonly instance: string;
    readonly botId: string;
    readonly sessionName: string;
    readonly type: number;
    readonly message: string;
    readonly counts: 'error' | 'clears' | 'neither';
  },
): Promise<number> => {
  const { rows } = await db.query<{ errorEvents: number }>(
    `update bots set error_events = case $3 when 'error' then error_events + 1 when 'clears' then 0 else error_events end
     where instance = $1 and bot_id = $2 returning error_events as "errorEvents"`,
    [event.instance, event.botId, event.counts],
  );
  await db.query('insert into bot_events (instance, bot_id, session_name, type, message) values ($1, $2, $3, $4, $5)', [
    event.instance,
    event.botId,
    event.sessionName,
    event.type,
    event.message,
  ]);
  const [row] = rows;
  if (row === undefined) throw new Error('a session without its bot');
  return row.errorEvents;
};

/** Keeps the newest events of a bot. */
export const trimBotEvents = async (
  db: Queryable,
  bot: { readonly instance: string; readonly botId: string },
  keptMax: number,
): Promise<void> => {
  await db.query(
    `delete from bot_events where instance = $1 and bot_id = $2 and id <= (
       select id from bot_events where instance = $1 and bot_id = $2 order by id desc offset $3 limit 1)`,
    [bot.instance, bot.botId, keptMax],
  );
};
