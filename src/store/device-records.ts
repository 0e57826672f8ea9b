/** Device records as the bridge changes them: what the shopfloor said, and holds. */
import { asJson, type Queryable } from './transaction.ts';

/**
 * Locks devices by id. Their jobs must be locked before, their lanes after. Not against key shares: a grant takes one on
 * its DUT after it has locked lanes, and would wait in a circle with us.
 */
export const lockDevices = async (db: Queryable, deviceIds: readonly number[]): Promise<void> => {
  if (deviceIds.length === 0) return;
  await db.query('select from devices where id = any($1::bigint[]) order by id for no key update', [deviceIds]);
};

/** Replaces the records; serials are kept apart. The devices are locked. */
export const writeDeviceData = async (
  db: Queryable,
  devices: readonly { readonly id: number; readonly data: Readonly<Record<string, unknown>> }[],
): Promise<void> => {
  if (devices.length === 0) return;
  await db.query(
    `update devices d set data = r.data from jsonb_to_recordset($1::jsonb) as r(id bigint, data jsonb)
     where d.id = r.id`,
    [asJson(devices)],
  );
};

/** Holds devices; the first reason stands. Returns those that were not held before. */
export const holdEachDevice = async (
  db: Queryable,
  holds: readonly { readonly id: number; readonly reason: string }[],
): Promise<ReadonlySet<number>> => {
  if (holds.length === 0) return new Set();
  const { rows } = await db.query<{ id: number }>(
    `with r as (
       select * from jsonb_to_recordset($1::jsonb) as r(id bigint, reason text)
     ), locked as (select d.id from devices d where d.id in (select id from r) order by d.id for no key update)
     update devices d set held_reason = r.reason
     from r, locked where d.id = r.id and locked.id = r.id and d.held_reason is null
     returning d.id`,
    [asJson(holds)],
  );
  return new Set(rows.map((row) => row.id));
};

/** Ends the hold and the settling of a device. Null: there is no such device here. */
export const releaseDeviceRow = async (
  db: Queryable,
  device: { readonly instance: string; readonly id: number },
): Promise<{ readonly heldReason: string | null; readonly settlingReason: string | null } | null> => {
  const { rows } = await db.query<{ heldReason: string | null; settlingReason: string | null }>(
    `with was as (
       select d.id, d.held_reason, d.settling_reason from devices d where d.instance = $1 and d.id = $2 for no key update)
     update devices d set held_reason = null, settling_until = null, settling_reason = null
     from was where d.id = was.id
     returning was.held_reason as "heldReason", was.settling_reason as "settlingReason"`,
    [device.instance, device.id],
  );
  return rows[0] ?? null;
};

/** Queued jobs that were held with their DUT. Locks nothing. */
export const findJobsHeldWithDevice = async (db: Queryable, deviceId: number): Promise<number[]> => {
  const { rows } = await db.query<{ id: number }>(
    `select id from open_jobs where device_id = $1 and state = 'QUEUED' and held_by = 'DEVICE' order by id`,
    [deviceId],
  );
  return rows.map((row) => row.id);
};
