/** What Explain and reservations ask of the fleet. On demand only: nothing here runs on the bots' road. */
import { endedAsking } from './open-questions.ts';
import type { Queryable } from './transaction.ts';

/** Sets of equal properties among live sessions, each once, as canonical text. */
export const readPropertySets = async (db: Queryable, instance: string): Promise<string[]> => {
  const { rows } = await db.query<{ properties: string }>(
    `select properties::text as properties from bot_sessions
     where instance = $1 and state <> 'CLOSED' group by properties order by properties`,
    [instance],
  );
  return rows.map((row) => row.properties);
};

export type LiveSession = {
  readonly botId: string;
  readonly status: number;
  readonly isHeard: boolean;
  readonly capacity: number;
  readonly openLeases: number;
  readonly quarantineReason: string | null;
  /** Of its primary DUT; all null or false when it has none. */
  readonly dutId: number | null;
  readonly dutHeldReason: string | null;
  readonly dutSettlingReason: string | null;
  readonly dutLeased: boolean;
};

/** Live sessions with one of these property sets, the ones nearest to being free first. */
export const readLiveSessions = async (
  db: Queryable,
  wanted: {
    readonly instance: string;
    readonly propertySets: readonly string[];
    /** Null: any. */
    readonly botId: string | null;
    readonly deviceId: number | null;
    readonly limit: number;
  },
): Promise<LiveSession[]> => {
  const { rows } = await db.query<LiveSession>(
    `select s.bot_id as "botId", s.status, s.state = 'OPEN' as "isHeard", s.capacity, o.n as "openLeases",
            b.quarantine_reason as "quarantineReason", d.id as "dutId", d.held_reason as "dutHeldReason",
            case when d.settling_until > farm_now() then d.settling_reason end as "dutSettlingReason",
            d.id is not null and exists (
              select from open_leases l where l.device_id = d.id) as "dutLeased"
     from bot_sessions s
     join bots b on b.instance = s.instance and b.bot_id = s.bot_id
     cross join lateral (
       select count(*)::integer as n from open_leases l where l.session_name = s.name) o
     left join devices d on d.id = s.device_ids[1]
     where s.instance = $1 and s.state <> 'CLOSED' and s.properties::text = any($2::text[])
       and ($3::text is null or s.bot_id = $3) and ($4::bigint is null or s.device_ids @> array[$4::bigint])
     order by (s.state = 'OPEN' and s.status = 1 and b.quarantine_reason is null) desc, o.n < s.capacity desc, s.bot_id
     limit $5`,
    [wanted.instance, wanted.propertySets, wanted.botId, wanted.deviceId, wanted.limit],
  );
  return rows;
};

/** How many live sessions an instance has, and whether one of them is this bot's. */
export const countLive = async (
  db: Queryable,
  instance: string,
  botId: string | null,
): Promise<{ readonly connected: number; readonly requestedIsConnected: boolean }> => {
  const { rows } = await db.query<{ connected: number; requestedIsConnected: boolean }>(
    `select count(*)::integer as connected, coalesce(bool_or(bot_id = $2), false) as "requestedIsConnected"
     from bot_sessions where instance = $1 and state <> 'CLOSED'`,
    [instance, botId],
  );
  return rows[0] ?? { connected: 0, requestedIsConnected: false };
};

export type DutNow = {
  readonly heldReason: string | null;
  readonly settlingReason: string | null;
  readonly jobId: number | null;
  readonly botId: string | null;
  readonly asked: boolean;
  readonly declared: boolean;
};

/** What stands between a DUT and its next lease. Null: there is no such device. */
export const readDutNow = async (db: Queryable, deviceId: number): Promise<DutNow | null> => {
  const { rows } = await db.query<DutNow>(
    `select d.held_reason as "heldReason",
            case when d.settling_until > farm_now() then d.settling_reason end as "settlingReason",
            l.job_id as "jobId", l.bot_id as "botId", ${endedAsking('d.id')} as asked,
            exists (select from bot_sessions s where s.state <> 'CLOSED' and s.device_ids @> array[d.id]) as declared
     from devices d
     left join open_leases l on l.device_id = d.id
     where d.id = $1`,
    [deviceId],
  );
  return rows[0] ?? null;
};

/** Jobs of a DUT that have not ended: what runs first, then as they would be taken. */
export const readOpenJobsOfDut = async (
  db: Queryable,
  deviceId: number,
): Promise<{ readonly id: number; readonly station: string }[]> => {
  const { rows } = await db.query<{ id: number; station: string }>(
    `select j.id, j.station from open_jobs j
     where j.device_id = $1 or j.id in (select l.job_id from open_leases l where l.device_id = $1)
     order by j.state = 'QUEUED', j.priority, j.id limit $2`,
    [deviceId, JOBS_OF_DUT_MAX],
  );
  return rows;
};

/** Of one DUT; a route has some ten. */
const JOBS_OF_DUT_MAX = 1000;
