/** The lanes table: who may send the head of a lane, and when. Positions are taken in owed-calls.ts. */
import { asJson, type Queryable } from './transaction.ts';

/** A lane in a replica's hands. The epoch is new with every claim: the fence of all that is written for it. */
export type OwnedLane = { readonly deviceId: number; readonly epoch: number };

/**
 * Instances with a lane that could be taken now; none whose bridge is paused. Steps over an index from instance to
 * instance, and in each past the lanes that somebody owns: their number, not that of all lanes, is what it costs.
 */
export const readLaneInstances = async (db: Queryable): Promise<string[]> => {
  const { rows } = await db.query<{ instance: string }>(
    `with recursive found as (
       (select l.instance from lanes l where l.due_at is not null order by l.instance limit 1)
       union all
       select (select l.instance from lanes l where l.due_at is not null and l.instance > f.instance
               order by l.instance limit 1)
       from found f where f.instance is not null)
     select f.instance from found f where not bridge_is_paused(f.instance) and exists (
       select from lanes l where l.instance = f.instance and l.due_at <= farm_now()
         and (l.owned_until is null or l.owned_until <= farm_now()))
     order by f.instance`,
    [],
  );
  return rows.map((row) => row.instance);
};

/**
 * Takes due lanes that nobody owns, the longest due first; none of an instance whose bridge is paused. A lane whose owner
 * went away without a word is free only when its time is over, and by then no call of the old owner is under way
 * (invariant 13). Lanes that another replica looks at now are passed over, also those it will not take.
 * @param wanted so many lanes of these instances together, one entry for each shopfloor.
 */
export const claimLanes = async (
  db: Queryable,
  owner: { readonly replica: string; readonly leaseMs: number },
  wanted: readonly { readonly instances: readonly string[]; readonly lanes: number }[],
): Promise<OwnedLane[]> => {
  const { rows } = await db.query<OwnedLane>(
    `with picked as (
       select longest.device_id
       from jsonb_to_recordset($1::jsonb) as w(instances jsonb, lanes integer)
       cross join lateral (
         select due.device_id
         from (select instance from jsonb_array_elements_text(w.instances) as told(instance)
               where not bridge_is_paused(instance)) i
         cross join lateral (
           select l.device_id, l.due_at from lanes l
           where l.instance = i.instance and l.due_at <= farm_now()
             and (l.owned_until is null or l.owned_until <= farm_now())
           order by l.due_at limit w.lanes for update skip locked) due
         order by due.due_at, due.device_id limit w.lanes) longest)
     update lanes l
     set owner = $2, owner_epoch = l.owner_epoch + 1, owned_until = farm_now() + $3 * interval '1 millisecond'
     from picked where l.device_id = picked.device_id
     returning l.device_id as "deviceId", l.owner_epoch as epoch`,
    [asJson(wanted), owner.replica, owner.leaseMs],
  );
  return rows;
};

/**
 * Locks those of the lanes that are still this replica's and at these positions, by id, and says which they are, under
 * which epoch, and when that was. A lane past its position was moved by a commit whose answer was lost: moved once more,
 * it would pass over a call that nobody has sent.
 */
export const lockOwnedLanes = async (
  db: Queryable,
  replica: string,
  lanes: readonly (OwnedLane & { readonly position: number })[],
): Promise<{ readonly now: Date; readonly epochs: ReadonlyMap<number, number> }> => {
  const { rows } = await db.query<{ now: Date; deviceId: number | null; epoch: number }>(
    `with locked as (
       select l.device_id, l.owner_epoch from lanes l
       join jsonb_to_recordset($2::jsonb) as r("deviceId" bigint, epoch bigint, position bigint)
         on l.device_id = r."deviceId" and l.owner_epoch = r.epoch and l.head_position = r.position
       where l.owner = $1
       order by l.device_id for update of l)
     select farm_now() as now, locked.device_id as "deviceId", locked.owner_epoch as epoch
     from (select) one left join locked on true`,
    [replica, asJson(lanes.map(({ deviceId, epoch, position }) => ({ deviceId, epoch, position })))],
  );
  const [first] = rows;
  if (first === undefined) throw new Error('farm_now() returned no row');
  const epochs = rows.flatMap(({ deviceId, epoch }) => (deviceId === null ? [] : [[deviceId, epoch] as const]));
  return { now: first.now, epochs: new Map(epochs) };
};

export type LaneStep = {
  readonly deviceId: number;
  /** The head is settled. */
  readonly advances: boolean;
  /** The head became a dead letter. */
  readonly blocks: boolean;
  /** Stays with its owner, if anything is owed after the head; otherwise it is let go. */
  readonly keeps: boolean;
  /** Let go, it is due again after this. */
  readonly waitMs: number;
};

/** Moves lanes that are locked and owned. Returns those that the owner keeps, and until when they are its own. */
export const moveLanes = async (
  db: Queryable,
  steps: readonly LaneStep[],
  leaseMs: number,
): Promise<ReadonlySet<number>> => {
  if (steps.length === 0) return new Set();
  const { rows } = await db.query<{ deviceId: number; kept: boolean }>(
    `with r as (
       select s.*, s.advances::integer as step from jsonb_to_recordset($1::jsonb)
         as s("deviceId" bigint, advances boolean, blocks boolean, keeps boolean, "waitMs" bigint)
     ), moved as (
       select l.device_id, l.head_position + r.step as head, r.blocks,
              l.head_position + r.step < l.next_position and not r.blocks as owes,
              l.head_position + r.step < l.next_position and not r.blocks and r.keeps as kept,
              r."waitMs" as wait_ms
       from lanes l join r on l.device_id = r."deviceId")
     update lanes l
     set head_position = m.head, blocked = m.blocks,
         due_at = case when not m.owes then null when m.kept then l.due_at
                       else farm_now() + m.wait_ms * interval '1 millisecond' end,
         owner = case when m.kept then l.owner end,
         owned_until = case when m.kept then farm_now() + $2 * interval '1 millisecond' end
     from moved m where l.device_id = m.device_id
     returning l.device_id as "deviceId", m.kept`,
    [asJson(steps), leaseMs],
  );
  return new Set(rows.filter(({ kept }) => kept).map(({ deviceId }) => deviceId));
};

/** An operator has settled the head (`advances`), or wants it sent again: the lane goes on at once. */
export const releaseLane = async (
  db: Queryable,
  deviceId: number,
  { advances }: { readonly advances: boolean },
): Promise<void> => {
  await db.query(
    `update lanes l
     set head_position = l.head_position + $2, blocked = false, owner = null, owned_until = null,
         due_at = case when l.head_position + $2 < l.next_position then farm_now() end
     where l.device_id = $1`,
    [deviceId, advances ? 1 : 0],
  );
};

/** How the lanes of an instance stand, for gauges. */
export type LaneSurvey = {
  readonly instance: string;
  readonly owing: number;
  readonly blocked: number;
  /** Of the longest owed call that is not settled; null: none is owed. */
  readonly oldestOwedSeconds: number | null;
};

/** Reads the lanes that owe something, and of their calls only the oldest: what waits, not what was. */
export const surveyLanes = async (db: Queryable): Promise<LaneSurvey[]> => {
  const { rows } = await db.query<LaneSurvey>(
    `select l.instance, count(*) filter (where l.due_at is not null) as owing,
            count(*) filter (where l.blocked) as blocked,
            (select extract(epoch from farm_now() - c.owed_at)::double precision from unsettled_calls c
             where c.instance = l.instance order by c.owed_at limit 1)
              as "oldestOwedSeconds"
     from lanes l where l.due_at is not null or l.blocked
     group by l.instance order by l.instance`,
  );
  return rows;
};
