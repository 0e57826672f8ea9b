/** DUT records: an id of ours, any number of named serials, and what the shopfloor has said of the unit. */
import { endedAsking } from './open-questions.ts';
import { asJson, type Queryable } from './transaction.ts';

export type Serial = { readonly name: string; readonly value: string };

/** What decides whether a DUT may get a lease now. */
export type DeviceReadiness = {
  readonly id: number;
  readonly heldReason: string | null;
  readonly settlingReason: string | null;
  readonly leased: boolean;
  /** The shopfloor has yet to answer a question whose job has ended. */
  readonly asked: boolean;
};

/** Free of an open lease and of open questions, not settling and not held. A passed `settling_until` no longer counts. */
export const readReadiness = async (
  db: Queryable,
  deviceIds: readonly number[],
): Promise<ReadonlyMap<number, DeviceReadiness>> => {
  if (deviceIds.length === 0) return new Map();
  const { rows } = await db.query<DeviceReadiness>(
    `select d.id, d.held_reason as "heldReason",
            case when d.settling_until > farm_now() then d.settling_reason end as "settlingReason",
            exists (select from open_leases l where l.device_id = d.id) as leased,
            ${endedAsking('d.id')} as asked
     from devices d where d.id = any($1::bigint[])`,
    [deviceIds],
  );
  return new Map(rows.map((row) => [row.id, row]));
};

/** The devices behind serials; those unknown are absent. */
export const findDevices = async (
  db: Queryable,
  instance: string,
  serials: readonly Serial[],
): Promise<readonly (Serial & { readonly deviceId: number })[]> => {
  if (serials.length === 0) return [];
  const { rows } = await db.query<Serial & { deviceId: number }>(
    `select s.name, s.value, s.device_id as "deviceId" from device_serials s
     join jsonb_to_recordset($2::jsonb) as r(name text, value text) on s.name = r.name and s.value = r.value
     where s.instance = $1 order by s.name, s.value`,
    [instance, asJson(serials)],
  );
  return rows;
};

/** A new DUT with its lane. Its serials are added by `addSerials`. */
export const insertDevice = async (db: Queryable, instance: string): Promise<number> => {
  const { rows } = await db.query<{ id: number }>('insert into devices (instance) values ($1) returning id', [
    instance,
  ]);
  const [row] = rows;
  if (row === undefined) throw new Error('insert returned no row');
  await db.query('insert into lanes (device_id, instance) values ($1, $2)', [row.id, instance]);
  return row.id;
};

/** Adds aliases; returns the ones that are now this device's. One that another device has is left alone. */
export const addSerials = async (
  db: Queryable,
  device: { readonly id: number; readonly instance: string },
  serials: readonly Serial[],
): Promise<readonly Serial[]> => {
  if (serials.length === 0) return [];
  await db.query(
    `insert into device_serials (instance, name, value, device_id)
     select $1, r.name, r.value, $2 from jsonb_to_recordset($3::jsonb) as r(name text, value text)
     order by r.name, r.value
     on conflict do nothing`,
    [device.instance, device.id, asJson(serials)],
  );
  const known = await findDevices(db, device.instance, serials);
  return known.filter((serial) => serial.deviceId === device.id);
};

/** Orders the registration of serials in an instance, so that two calls cannot make two DUTs of one. */
export const lockSerials = async (db: Queryable, instance: string): Promise<void> => {
  await db.query(`select pg_advisory_xact_lock(hashtextextended('serials:' || $1, 0))`, [instance]);
};

/** After an unclean end the DUT settles; `untilMs` from now. The longest settling stands. */
export const settleDevices = async (
  db: Queryable,
  devices: readonly { readonly id: number; readonly forMs: number; readonly reason: string }[],
): Promise<void> => {
  if (devices.length === 0) return;
  await db.query(
    `with r as (
       select * from jsonb_to_recordset($1::jsonb) as r(id bigint, "forMs" bigint, reason text)
     ), locked as (select d.id from devices d where d.id in (select id from r) order by d.id for update)
     update devices d
     set settling_until = greatest(d.settling_until, farm_now() + r."forMs" * interval '1 millisecond'),
         settling_reason = r.reason
     from r, locked where d.id = r.id and locked.id = r.id`,
    [asJson(devices)],
  );
};

/** A lease closes, and its DUT begins to settle, in one transaction: this much apart at the very most. */
const ONE_TRANSACTION_MS = 10_000;
/** A DUT that should have settled longer ago than this counts as settled anyway; history before it is not read. */
const SETTLED_WITHIN = `interval '1 day'`;

/** Which of these settle now. */
export const readSettling = async (db: Queryable, deviceIds: readonly number[]): Promise<ReadonlySet<number>> => {
  if (deviceIds.length === 0) return new Set();
  const { rows } = await db.query<{ id: number }>(
    'select id from devices where id = any($1::bigint[]) and settling_until > farm_now() order by id',
    [deviceIds],
  );
  return new Set(rows.map(({ id }) => id));
};

/**
 * The bot is back, OK, without the lease: the DUTs that it left unclean are settled, but for those that the very session
 * did. What another bot left unclean that bot may still be running, so this one's word says nothing of it. Returns those
 * that were settling.
 */
export const endSettling = async (
  db: Queryable,
  sessions: readonly { readonly name: string; readonly deviceIds: readonly number[] }[],
  dutGraceMs: number,
): Promise<number[]> => {
  const declared = sessions.flatMap(({ name, deviceIds }) => deviceIds.map((id) => ({ name, id })));
  if (declared.length === 0) return [];
  const { rowCount: settling } = await db.query(
    'select from devices where id = any($1::bigint[]) and settling_until is not null limit 1',
    [declared.map(({ id }) => id)],
  );
  if (settling === 0) return [];
  const { rows } = await db.query<{ id: number }>(
    `with locked as (
       select d.id from devices d
       where d.settling_until is not null and d.id in (
         select r.id from jsonb_to_recordset($1::jsonb) as r(name text, id bigint)
         join bot_sessions s on s.name = r.name
         where r.id = d.id
           and not exists (select from open_leases l where l.session_name = r.name and l.device_id = r.id)
           and not exists (
             select from closed_leases l where l.session_name = r.name and l.device_id = r.id
               and l.closed_at >= farm_now() - $2 * interval '1 millisecond' - ${SETTLED_WITHIN})
           -- The lease that left it unclean was this bot's: its session ended no earlier than it did.
           and exists (
             select from bot_sessions own join closed_leases l on l.session_name = own.name
             where own.instance = s.instance and own.bot_id = s.bot_id and l.device_id = d.id
               and (own.closed_at is null or own.closed_at >= d.settling_until - $2 * interval '1 millisecond')
               and l.closed_at >= farm_now() - $2 * interval '1 millisecond' - ${SETTLED_WITHIN}
               and l.closed_at >= d.settling_until - $2 * interval '1 millisecond'
               and l.closed_reason = d.settling_reason))
       order by d.id for update)
     update devices d set settling_until = null, settling_reason = null from locked where d.id = locked.id
     returning d.id`,
    [asJson(declared), dutGraceMs + ONE_TRANSACTION_MS],
  );
  return rows.map((row) => row.id);
};

/** The record as it is handed to bots and shopfloors. */
export type DeviceRecord = {
  readonly id: number;
  readonly instance: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly serials: Readonly<Record<string, string>>;
  /** All it was ever known by. */
  readonly serialCount: number;
};

/** A device may have several values under one serial name (an alias that replaced another); the newest is the one told. */
export const RECORD_COLUMNS = `
  d.id, d.instance, d.data,
  coalesce((select jsonb_object_agg(s.name, s.value order by s.added) from device_serials s where s.device_id = d.id), '{}')
    as serials,
  (select count(*) from device_serials s where s.device_id = d.id) as "serialCount"`;

export const readDeviceRecords = async (
  db: Queryable,
  deviceIds: readonly number[],
): Promise<ReadonlyMap<number, DeviceRecord>> => {
  if (deviceIds.length === 0) return new Map();
  const { rows } = await db.query<DeviceRecord>(
    `select ${RECORD_COLUMNS} from devices d where d.id = any($1::bigint[])`,
    [deviceIds],
  );
  return new Map(rows.map((row) => [row.id, row]));
};

/** Keeps devices from work until an operator releases them. The first reason stands. */
export const holdDevices = async (db: Queryable, deviceIds: readonly number[], reason: string): Promise<void> => {
  await db.query(
    `with locked as (select id from devices where id = any($1::bigint[]) order by id for update)
     update devices d set held_reason = coalesce(d.held_reason, $2) from locked where d.id = locked.id`,
    [deviceIds, reason],
  );
};
