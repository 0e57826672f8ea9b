/** DUT records as people see them. */
import type { Queryable } from './transaction.ts';

export type DeviceView = {
  readonly id: number;
  readonly instance: string;
  /** By name; the newest of several values under one name. */
  readonly serials: Readonly<Record<string, string>>;
  /** FactoryDeviceData: dotted keys, scalar values. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Why it gets no work until it is released; null: it does. */
  readonly heldReason: string | null;
  /** Why it gets no work for now, and until when; both null: it does. */
  readonly settlingReason: string | null;
  readonly settlingUntil: Date | null;
};

const COLUMNS = `
  d.id, d.instance, d.data, d.held_reason as "heldReason",
  coalesce((select jsonb_object_agg(s.name, s.value order by s.added) from device_serials s
            where s.device_id = d.id), '{}') as serials,
  case when d.settling_until > farm_now() then d.settling_reason end as "settlingReason",
  case when d.settling_until > farm_now() then d.settling_until end as "settlingUntil"`;

/** The devices that have this serial. @param serial name null: under any name. */
export const readDeviceViews = async (
  db: Queryable,
  instance: string,
  serial: { readonly name: string | null; readonly value: string },
): Promise<DeviceView[]> => {
  const { rows } = await db.query<DeviceView>(
    `select ${COLUMNS} from devices d
     where d.id in (select s.device_id from device_serials s
                    where s.instance = $1 and s.value = $3 and ($2::text is null or s.name = $2))
     order by d.id`,
    [instance, serial.name, serial.value],
  );
  return rows;
};

/** Null: there is no such device in that instance. */
export const readDeviceView = async (
  db: Queryable,
  device: { readonly instance: string; readonly id: number },
): Promise<DeviceView | null> => {
  const { rows } = await db.query<DeviceView>(`select ${COLUMNS} from devices d where d.id = $1 and d.instance = $2`, [
    device.id,
    device.instance,
  ]);
  return rows[0] ?? null;
};
