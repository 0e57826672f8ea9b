/** Bots as people see them. */
import { asJson, type Queryable } from './transaction.ts';

export type BotViewRow = {
  readonly instance: string;
  readonly botId: string;
  readonly quarantineReason: string | null;
  readonly errorEvents: number;
  /** Its latest session; all null when none is remembered any more. */
  readonly session: string | null;
  readonly state: 'OPEN' | 'LAPSED' | 'CLOSED' | null;
  readonly closedReason: string | null;
  readonly status: number | null;
  readonly version: string | null;
  readonly capacity: number | null;
  /** Canonical text. */
  readonly properties: string | null;
  readonly deviceIds: readonly number[] | null;
  readonly createdAt: Date | null;
  readonly seenAt: Date | null;
};

/** The latest session by the index on (instance, bot_id, created_at). */
const SELECT = `
  select b.instance, b.bot_id as "botId", b.quarantine_reason as "quarantineReason", b.error_events as "errorEvents",
         s.name as session, s.state, s.closed_reason as "closedReason", s.status, s.version, s.capacity,
         s.properties::text as properties, s.device_ids as "deviceIds", s.created_at as "createdAt",
         s.seen_at as "seenAt"
  from bots b
  left join lateral (
    select * from bot_sessions l where l.instance = b.instance and l.bot_id = b.bot_id
    order by l.created_at desc limit 1) s on true`;

/** @param after only ids beyond this; null: from the first on. @param like null: any. */
export const readBotPage = async (
  db: Queryable,
  filter: { readonly instance: string; readonly like: string | null; readonly connectedOnly: boolean },
  page: { readonly after: string | null; readonly limit: number },
): Promise<BotViewRow[]> => {
  const { rows } = await db.query<BotViewRow>(
    `${SELECT}
     where b.instance = $1 and ($2::text is null or b.bot_id > $2)
       and ($3::text is null or b.bot_id like $3 escape '\\')
       and (not $4::boolean or s.state = 'OPEN')
     order by b.bot_id limit $5`,
    [filter.instance, page.after, filter.like, filter.connectedOnly, page.limit],
  );
  return rows;
};

/** Null: no bot of that id ever came to that instance. */
export const readBot = async (db: Queryable, instance: string, botId: string): Promise<BotViewRow | null> => {
  // No stored id holds U+0000, and PostgreSQL would not even take the question.
  if (botId.includes('\0')) return null;
  const { rows } = await db.query<BotViewRow>(`${SELECT} where b.instance = $1 and b.bot_id = $2`, [instance, botId]);
  return rows[0] ?? null;
};

export type BotLeaseRow = {
  readonly sessionName: string;
  readonly leaseId: string;
  readonly jobId: number;
  readonly station: string;
  readonly state: 'PENDING' | 'ACTIVE' | 'CANCELLING';
};

/** The open leases of these sessions, the oldest first. */
export const readLeasesOfSessions = async (db: Queryable, names: readonly string[]): Promise<BotLeaseRow[]> => {
  if (names.length === 0) return [];
  const { rows } = await db.query<BotLeaseRow>(
    `select session_name as "sessionName", id as "leaseId", job_id as "jobId", station, state from open_leases
     where session_name = any($1::text[]) order by granted_at, id`,
    [names],
  );
  return rows;
};

export type BotDutRow = {
  readonly id: number;
  /** Of the device, newest last. */
  readonly serials: readonly string[];
  readonly heldReason: string | null;
  readonly settlingReason: string | null;
};

export const readDutsOfBots = async (
  db: Queryable,
  deviceIds: readonly number[],
): Promise<ReadonlyMap<number, BotDutRow>> => {
  if (deviceIds.length === 0) return new Map();
  const { rows } = await db.query<BotDutRow>(
    `select d.id, array(select s.value from device_serials s where s.device_id = d.id order by s.added) as serials,
            d.held_reason as "heldReason",
            case when d.settling_until > farm_now() then d.settling_reason end as "settlingReason"
     from devices d where d.id = any($1::bigint[])`,
    [deviceIds],
  );
  return new Map(rows.map((row) => [row.id, row]));
};

/** As posted; what the number means is the wire's to say. */
export type BotEventRow = { readonly type: number; readonly message: string; readonly at: Date };

export const readBotEvents = async (
  db: Queryable,
  bot: { readonly instance: string; readonly botId: string },
  limit: number,
): Promise<BotEventRow[]> => {
  const { rows } = await db.query<BotEventRow>(
    'select type, message, at from bot_events where instance = $1 and bot_id = $2 order by id desc limit $3',
    [bot.instance, bot.botId, limit],
  );
  return rows;
};

/** The names of live sessions; at most one a bot, by the schema. */
export const readLiveNames = async (
  db: Queryable,
  bots: readonly { readonly instance: string; readonly botId: string }[],
): Promise<string[]> => {
  const { rows } = await db.query<{ name: string }>(
    `select s.name from bot_sessions s
     join jsonb_to_recordset($1::jsonb) as r(instance text, "botId" text)
       on s.instance = r.instance and s.bot_id = r."botId"
     where s.state <> 'CLOSED' order by s.name`,
    [asJson(bots)],
  );
  return rows.map((row) => row.name);
};

/** Ends a quarantine and forgets the errors that led to it. The reason it had; null: it was not quarantined. */
export const releaseBotRow = async (
  db: Queryable,
  bot: { readonly instance: string; readonly botId: string },
): Promise<string | null> => {
  const { rows } = await db.query<{ was: string }>(
    `with was as (
       select instance, bot_id, quarantine_reason from bots
       where instance = $1 and bot_id = $2 and quarantine_reason is not null for update)
     update bots b set quarantine_reason = null, quarantined_at = null, error_events = 0
     from was where b.instance = was.instance and b.bot_id = was.bot_id
     returning was.quarantine_reason as was`,
    [bot.instance, bot.botId],
  );
  return rows[0]?.was ?? null;
};
