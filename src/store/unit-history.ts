/** What became of one DUT, as an index of it: what happened, when, and where it is written. */
import { CLOCK_BACK_MAX_MS } from './farm-events.ts';
import type { Queryable } from './transaction.ts';

/** How much of a DUT's life is looked at, the newest of each. */
export type UnitBounds = {
  readonly jobsMax: number;
  readonly callsMax: number;
  readonly uploadsMax: number;
  readonly eventsMax: number;
};

/** A DUT, and the jobs whose traces are looked for. */
export type UnitScope = {
  readonly deviceId: number;
  readonly instance: string;
  /** All that it was ever known by, under whatever name. */
  readonly serials: readonly string[];
  readonly stations: ReadonlyMap<number, string>;
  /** No day of history before that is looked at for what belongs to jobs. */
  readonly since: Date;
  /** Nor for what belongs to none: as late where jobs are left out, else all days that are kept. */
  readonly sinceWithoutJob: Date;
  /** Calls at lower places of its lane are left out. */
  readonly positionMin: number;
  /** It has more jobs or calls than the bounds allow. */
  readonly isCut: boolean;
};

/**
 * Jobs that are pinned to it, and those that ran on it or spoke of it without being: the latter are known by their calls,
 * and while a lease of theirs is open.
 */
const JOBS = `
  with ids as (
    (select j.id from jobs j where j.device_id = $1 order by j.id desc limit $2)
    union select l.job_id from open_leases l where l.device_id = $1
    union select c.job_id from shopfloor_calls c where c.device_id = $1 and c.position >= $3 and c.job_id is not null)
  select j.id, j.station, j.enqueued_at as "enqueuedAt" from jobs j where j.id in (select i.id from ids i)
  order by j.id desc limit $2`;

export const readUnitScope = async (
  db: Queryable,
  device: { readonly id: number; readonly instance: string },
  { jobsMax, callsMax }: UnitBounds,
): Promise<UnitScope> => {
  const { rows: known } = await db.query<{ serials: string[]; positionMin: number }>(
    `select coalesce((select array_agg(s.value order by s.added) from device_serials s where s.device_id = $1), '{}') as serials,
            greatest(1, coalesce((select l.next_position from lanes l where l.device_id = $1), 1) - $2) as "positionMin"`,
    [device.id, callsMax],
  );
  const { serials, positionMin } = known[0] ?? { serials: [], positionMin: 1 };
  const { rows } = await db.query<{ id: number; station: string; enqueuedAt: Date }>(JOBS, [
    device.id,
    jobsMax + 1,
    positionMin,
  ]);
  const jobs = rows.slice(0, jobsMax);
  const oldest = Math.min(...jobs.map(({ enqueuedAt }) => enqueuedAt.getTime()));
  const since = new Date(jobs.length === 0 ? 0 : oldest - CLOCK_BACK_MAX_MS);
  const isCut = rows.length > jobs.length || positionMin > 1;
  return {
    deviceId: device.id,
    instance: device.instance,
    serials,
    stations: new Map(jobs.map(({ id, station }) => [id, station])),
    since,
    sinceWithoutJob: isCut ? since : new Date(0),
    positionMin,
    isCut,
  };
};

/** In this order where times are equal: a job before its attempt, a result before what the shopfloor is told of it. */
export const unitEntryKinds = ['JOB', 'ATTEMPT', 'RESULT', 'UPLOAD', 'CALL', 'EVENT', 'NOTE'] as const;
export type UnitEntryKind = (typeof unitEntryKinds)[number];

/** Where an entry stands among all of its DUT, and for good. The time is in microseconds: a Date would lose some. */
export type UnitPlace = {
  readonly atUs: number;
  readonly rank: number;
  /** A number that the kind gives out in order. */
  readonly number: number;
  /** Tells attempts of one time and number apart; elsewhere what the entry is found by. */
  readonly key: string;
};

export type UnitTrace = UnitPlace & {
  readonly kind: UnitEntryKind;
  readonly at: Date;
  /** Null: it belongs to none. */
  readonly jobId: number | null;
  /** What its result would add to an answer. */
  readonly bytes: number;
};

const TRACES = `
  with runs as (
    select l.id, l.job_id, l.attempt, l.granted_at from leases l
    where l.job_id = any($2::bigint[]) and l.device_id = $1 and (l.closed_at is null or l.closed_at >= $3)
  ), traces as (
    select 0 as rank, j.enqueued_at as at, j.id as number, '' as key, j.id as job_id
    from jobs j where j.id = any($2::bigint[]) and (j.ended_at is null or j.ended_at >= $3)
    union all
    select 1, r.granted_at, r.attempt, r.id::text, r.job_id from runs r
    union all
    select 2, t.at, t.id, '', t.job_id from test_results t where t.at >= $3 and t.lease_id in (select r.id from runs r)
    union all
    select 3, u.received_at, u.number, u.id::text, null from (
      select received_at, number, id from uploads where serial = any($5::text[]) and instance = $6
      order by received_at desc limit $7) u
    union all
    select 4, c.owed_at, c.position, c.id::text, c.job_id from shopfloor_calls c
    where c.device_id = $1 and c.position >= $4 and (c.settled_at is null or c.settled_at >= $14)
    union all
    select 5, e.at, e.id, '', e.job_id from farm_events e
    where e.job_id = any($2::bigint[]) and e.device_id = $1 and e.at >= $3 and e.kind = any($8::text[])
    union all
    select 5, e.at, e.id, '', null from (
      select at, id from farm_events
      where device_id = $1 and job_id is null and at >= $14 and kind = any($8::text[])
      order by device_id, at desc, id desc limit $15) e
    union all
    select 6, n.at, n.id, '', n.job_id from result_notes n where n.job_id = any($2::bigint[])
  ), page as (
    select * from traces t
    where $9::bigint is null
       or (t.at, t.rank, t.number, t.key collate "C")
          > (timestamptz 'epoch' + $9::bigint * interval '1 microsecond', $10::bigint, $11::bigint, $12::text collate "C")
    order by t.at, t.rank, t.number, t.key collate "C" limit $13
  )
  select p.rank, p.at, (extract(epoch from p.at) * 1000000)::bigint as "atUs", p.number, p.key, p.job_id as "jobId",
         case when p.rank = 2 then (
           select octet_length(t.result::text) from test_results t where t.job_id = p.job_id and t.id = p.number and t.at = p.at)
         else 0 end as bytes
  from page p order by p.at, p.rank, p.number, p.key collate "C"`;

/** Farm events that a unit's history tells; the others say again what its jobs, attempts and calls say. */
const EVENTS_TOLD = [
  'DEVICE_CHANGED',
  'DEVICE_HELD',
  'DEVICE_RELEASED',
  'CALL_ACTION',
  'CANCEL_ASKED',
  'GATE_CLEARED',
  'GATE_REFUSED',
  'GATE_LAPSED',
  'GATE_OVERRIDDEN',
];

/** Oldest first. @param after null: from the beginning. */
export const readUnitTraces = async (
  db: Queryable,
  scope: UnitScope,
  page: { readonly after: UnitPlace | null; readonly limit: number } & Pick<UnitBounds, 'uploadsMax' | 'eventsMax'>,
): Promise<UnitTrace[]> => {
  const { after } = page;
  const { rows } = await db.query<Omit<UnitTrace, 'kind'>>(TRACES, [
    scope.deviceId,
    [...scope.stations.keys()],
    scope.since,
    scope.positionMin,
    scope.serials,
    scope.instance,
    page.uploadsMax,
    EVENTS_TOLD,
    after?.atUs ?? null,
    after?.rank ?? null,
    after?.number ?? null,
    after?.key ?? null,
    page.limit,
    scope.sinceWithoutJob,
    page.eventsMax,
  ]);
  return rows.map((row) => ({ ...row, kind: toKind(row.rank) }));
};

const toKind = (rank: number): UnitEntryKind => {
  const kind = unitEntryKinds[rank];
  if (kind === undefined) throw new Error(`a unit's history has an entry of rank ${rank}`);
  return kind;
};
