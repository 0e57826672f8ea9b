/** Jobs at the gates of their stations: whose turn it is, and whose clearance has lapsed. */
import { endedAsking } from './open-questions.ts';
import type { Queryable } from './transaction.ts';

/** Whether a job may ask now: its DUT is free, nobody else asks or is cleared there, and of those that could run it is the first. */
const ITS_TURN = `
  j.state = 'QUEUED' and j.held_by = 'GATE_TURN'
  and exists (select from devices d where d.id = j.device_id and d.held_reason is null
                and (d.settling_until is null or d.settling_until <= farm_now()))
  and not exists (select from open_leases l where l.device_id = j.device_id)
  and not exists (select from open_jobs o where o.device_id = j.device_id and o.state = 'QUEUED' and o.id <> j.id
                    and (o.held_by = 'GATE'
                         or o.held_by is null and o.gate_cleared_until is not null
                         or (o.held_by is null or o.held_by = 'GATE_TURN') and (o.priority, o.id) < (j.priority, j.id)))
  and not ${endedAsking('j.device_id')}`;

/** Of these DUTs, the jobs that may ask now: one a DUT. Locks nothing. */
export const findTurnsOfDevices = async (db: Queryable, deviceIds: readonly number[]): Promise<number[]> => {
  if (deviceIds.length === 0) return [];
  const { rows } = await db.query<{ id: number }>(
    `select j.id from open_jobs j where j.device_id = any($1::bigint[]) and ${ITS_TURN} order by j.id`,
    [deviceIds],
  );
  return rows.map((row) => row.id);
};

/** The same for a stretch of all jobs that wait for their turn: those after a job, in the order of their ids. */
export const findTurns = async (
  db: Queryable,
  afterJobId: number,
  limit: number,
): Promise<{ readonly jobIds: readonly number[]; readonly lastSeenId: number | null }> => {
  const { rows } = await db.query<{ id: number; turn: boolean }>(
    `select j.id, ${ITS_TURN} as turn
     from (select w.* from open_jobs w where w.state = 'QUEUED' and w.held_by = 'GATE_TURN' and w.id > $1
           order by w.id limit $2) j
     order by j.id`,
    [afterJobId, limit],
  );
  const lastSeenId = rows.length < limit ? null : (rows.at(-1)?.id ?? null);
  return { jobIds: rows.filter(({ turn }) => turn).map(({ id }) => id), lastSeenId };
};

/** Jobs that were cleared and that nobody started in time. Locks nothing. */
export const findLapsedGates = async (db: Queryable, limit: number): Promise<number[]> => {
  const { rows } = await db.query<{ id: number }>(
    `select id from open_jobs where state = 'QUEUED' and gate_cleared_until <= farm_now()
     order by gate_cleared_until limit $1`,
    [limit],
  );
  return rows.map((row) => row.id);
};

/** The clock that gates are judged by. */
export const readFarmNow = async (db: Queryable): Promise<Date> => {
  const { rows } = await db.query<{ now: Date }>('select farm_now() as now');
  const [row] = rows;
  if (row === undefined) throw new Error('farm_now() returned no row');
  return row.now;
};
