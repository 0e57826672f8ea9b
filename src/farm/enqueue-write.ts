/** The one transaction of enqueueing: lock and read, plan in memory, write table by table. */
import { createHash } from 'node:crypto';
import type { Refusal } from '../core/refusal.ts';
import { farmEvent } from '../core/farm-event.ts';
import { canonicalConstraints } from '../core/match.ts';
import { findDevices, lockSerials } from '../store/devices.ts';
import {
  countQueued,
  countSerials,
  drawJobIds,
  insertDevices,
  insertJobs,
  insertSerials,
  lockDeviceHolds,
  lockEnqueues,
  lockRouteMates,
  type NewJob,
  readReservationNames,
  readSeenRequests,
  rememberRequests,
} from '../store/enqueue.ts';
import { appendEvents } from '../store/farm-events.ts';
import { readJobViews } from '../store/job-views.ts';
import { internRequirements } from '../store/jobs.ts';
import { addTallies } from '../store/tallies.ts';
import type { Queryable } from '../store/transaction.ts';
import { type Hold, holdsOf } from './enqueue-holds.ts';
import {
  type Asked,
  type Dut,
  type Known,
  type Plan,
  planEnqueues,
  type Planned,
  serialsOf,
  type Slot,
} from './enqueue-plan.ts';
import type { Farm } from './farm.ts';
import { type JobView, toJobView } from './job-view.ts';

/** A job that was made. */
export type Enqueued = NewJob;

/** What of the jobs that were just inserted was given to bots in the same transaction: their ids. */
export type GrantJobs = (db: Queryable, jobs: readonly Enqueued[]) => Promise<ReadonlySet<number>>;

export type Written = {
  /** Each as it was when it was made, before anybody was given it. */
  readonly answers: readonly (readonly JobView[] | Refusal)[];
  readonly jobs: readonly Enqueued[];
  readonly granted: ReadonlySet<number>;
};

export const writeEnqueues = async (
  farm: Farm,
  db: Queryable,
  callers: readonly (readonly Asked[])[],
  grant: GrantJobs,
): Promise<Written> => {
  const plan = planEnqueues(callers, await readKnown(farm, db, callers.flat()));
  await writeDuts(db, plan);
  const made = await makeJobs(farm, db, plan.jobs);
  const jobs = [...made.values()];
  // One round trip: none needs another's answer. Who grants finds the jobs inserted.
  const [, , answers, granted] = await Promise.all([
    insertJobs(db, jobs),
    writeTraces(db, made),
    answer(db, plan, made),
    grant(db, jobs),
  ]);
  return { answers, jobs, granted };
};

/** Takes the instances' locks, in their order, and reads under them what the plan is made of. */
const readKnown = async (farm: Farm, db: Queryable, asked: readonly Asked[]): Promise<Known> => {
  const requests = asked.map(({ request }) => request);
  const instances = [...new Set(requests.map(({ instance }) => instance))].sort();
  const keys = requests.flatMap(({ instance, requestId }) => (requestId === null ? [] : [{ instance, requestId }]));
  const names = requests.flatMap(({ reservation }) => (reservation === null ? [] : [reservation.name]));
  const [queued, seen, reservations, serials] = await Promise.all([
    Promise.all(instances.map((instance) => lockAndCount(db, instance))),
    readSeenRequests(db, keys, farm.limits.jobs.enqueueRememberedMs),
    readReservationNames(db, names),
    readSerials(db, instances, requests),
  ]);
  return {
    seen,
    reservations,
    serials: serials.known,
    // Only a DUT that is given one more serial is counted.
    serialCounts: serials.someNew
      ? await countSerials(
          db,
          serials.known.map(({ deviceId }) => deviceId),
        )
      : new Map(),
    queued: new Map(queued),
    limits: farm.limits,
  };
};

/** The lock is asked for first, and what is asked behind it sees what its former holder has committed. */
const lockAndCount = async (db: Queryable, instance: string): Promise<readonly [instance: string, queued: number]> => {
  const [, queued] = await Promise.all([lockEnqueues(db, instance), countQueued(db, instance)]);
  return [instance, queued];
};

const readSerials = async (
  db: Queryable,
  instances: readonly string[],
  requests: readonly Asked['request'][],
): Promise<{ readonly known: Known['serials']; readonly someNew: boolean }> => {
  const known: Known['serials'][number][] = [];
  let someNew = false;
  for (const instance of instances) {
    const named = requests.filter((request) => request.instance === instance).flatMap(serialsOf);
    const serials = [...new Map(named.map((serial) => [JSON.stringify(serial), serial])).values()];
    let found = await findDevices(db, instance, serials);
    if (found.length < serials.length) {
      // Bots register serials too; only a new one needs the lock, and a second look under it.
      await lockSerials(db, instance);
      found = await findDevices(db, instance, serials);
      someNew ||= found.length < serials.length;
    }
    known.push(...found.map((row) => ({ ...row, instance })));
  }
  return { known, someNew };
};

/** Makes the records of new DUTs, which gives them their ids, and adds the new serials. */
const writeDuts = async (db: Queryable, plan: Plan): Promise<void> => {
  const fresh = new Map<string, Dut[]>();
  for (const dut of new Set(plan.newSerials.map((serial) => serial.dut))) {
    if (dut.id === null) fresh.set(dut.instance, [...(fresh.get(dut.instance) ?? []), dut]);
  }
  for (const [instance, duts] of fresh) {
    const ids = await insertDevices(db, instance, duts.length);
    duts.forEach((dut, index) => (dut.id = ids[index] ?? null));
  }
  await insertSerials(
    db,
    plan.newSerials.map(({ name, value, dut }) => ({ name, value, instance: dut.instance, deviceId: idOf(dut) })),
  );
};

const idOf = (dut: Dut): number => {
  if (dut.id === null) throw new Error('a DUT was used before its record was made');
  return dut.id;
};

/** Draws the ids under the locks and decides who is held. In the order of the plan. */
const makeJobs = async (
  farm: Farm,
  db: Queryable,
  planned: readonly Planned[],
): Promise<ReadonlyMap<Planned, Enqueued>> => {
  if (planned.length === 0) return new Map();
  const pinned = planned.flatMap(({ dut, request: { route } }) =>
    dut === null ? [] : [{ deviceId: idOf(dut), route }],
  );
  const routes = pinned.flatMap(({ deviceId, route }) => (route === null ? [] : [{ deviceId, route }]));
  const [mates, deviceHolds, requirementIds, ids] = await Promise.all([
    lockRouteMates(db, routes),
    lockDeviceHolds(db, [...new Set(pinned.map(({ deviceId }) => deviceId))]),
    internRequirements(db, planned.map(requirementOf)),
    drawJobIds(db, planned.length),
  ]);
  const placed = planned.map((job, index) => ({
    id: at(ids, index),
    deviceId: job.dut === null ? null : idOf(job.dut),
    route: job.request.route,
    gated: job.gated,
  }));
  const holds = holdsOf(placed, mates, deviceHolds);
  return new Map(
    planned.map((job, index) => {
      const { id, deviceId } = at(placed, index);
      const made = { id, deviceId, requirementId: at(requirementIds, index), hold: holds[index] ?? null };
      return [job, rowOf(farm, job, made)] as const;
    }),
  );
};

const requirementOf = ({ request }: Planned) => {
  const constraints = canonicalConstraints(request.constraints);
  const text = JSON.stringify(constraints);
  const canon = Buffer.byteLength(text) <= CANON_BYTES_MAX ? text : createHash('sha256').update(text).digest('hex');
  return { instance: request.instance, canon, constraints };
};

/** A row of an index has room for less than 2,704 bytes. What is longer is known by its hash. */
const CANON_BYTES_MAX = 2000;

const at = <T>(rows: readonly T[], index: number): T => {
  const row = rows[index];
  if (row === undefined) throw new Error(`the database answered ${rows.length} rows and no row ${index}`);
  return row;
};

const rowOf = (
  farm: Farm,
  { request, rule, trace }: Planned,
  made: {
    readonly id: number;
    readonly deviceId: number | null;
    readonly requirementId: number;
    readonly hold: Hold | null;
  },
): Enqueued => {
  const { task } = request;
  return {
    id: made.id,
    instance: request.instance,
    requestId: request.requestId ?? farm.newId(),
    trace,
    heldBy: made.hold?.heldBy ?? null,
    heldReason: made.hold?.heldReason ?? null,
    station: request.station,
    work: task.kind === 'work' ? task.work : null,
    payloadType: task.kind === 'foreign' ? task.typeUrl : null,
    payload: task.kind === 'foreign' ? Buffer.from(task.value).toString('base64') : null,
    requirementId: made.requirementId,
    deviceId: made.deviceId,
    requestedBotId: request.requestedBotId,
    priority: request.priority,
    route: request.route,
    onFailed: request.onFailed,
    attemptsMax: request.attemptsMax ?? rule.attemptsMax,
    reservation: request.reservation,
    queueTimeoutMs: wholeMs(request.queueTimeoutMs),
    matchTimeoutMs: wholeMs(request.matchTimeoutMs),
    executionTimeoutMs: wholeMs(request.executionTimeoutMs),
    expiresAt: request.expiresAt,
  };
};

/** The wire has nanoseconds; a limit is never made shorter. */
const wholeMs = (ms: number | null): number | null => (ms === null ? null : Math.ceil(ms));

/** What goes with new jobs: the memory of their requests, the events, the tallies. */
const writeTraces = async (db: Queryable, made: ReadonlyMap<Planned, Enqueued>): Promise<void> => {
  const seen = [...made].flatMap(([{ request, fingerprint }, { id }]) =>
    request.requestId === null
      ? []
      : [{ instance: request.instance, requestId: request.requestId, fingerprint, jobId: id }],
  );
  const jobs = [...made.values()];
  const perStation = new Map<string, { instance: string; label: string; n: number }>();
  for (const { instance, station } of jobs) {
    const key = JSON.stringify([instance, station]);
    const tally = perStation.get(key) ?? { instance, label: station, n: 0 };
    perStation.set(key, { ...tally, n: tally.n + 1 });
  }
  const tallies = [...perStation.values()].map((tally) => ({ ...tally, family: 'job' as const, state: 'QUEUED' }));
  await Promise.all([rememberRequests(db, seen), appendEvents(db, jobs.map(eventOf)), addTallies(db, tallies)]);
};

export const eventOf = (job: Enqueued) =>
  farmEvent('JOB_ENQUEUED', job.instance, {
    jobId: job.id,
    deviceId: job.deviceId,
    facts: { station: job.station, priority: job.priority, route: job.route, heldBy: job.heldBy },
  });

/** Reads the jobs back, former ones as they are now. */
const answer = async (
  db: Queryable,
  plan: Plan,
  made: ReadonlyMap<Planned, Enqueued>,
): Promise<readonly (readonly JobView[] | Refusal)[]> => {
  const idOfSlot = (slot: Slot): number | undefined => (slot.kind === 'known' ? slot.jobId : made.get(slot.job)?.id);
  const wanted = plan.answers.flatMap((slots) => (Array.isArray(slots) ? slots.map(idOfSlot) : []));
  const rows = await readJobViews(
    db,
    wanted.flatMap((id) => id ?? []),
  );
  return plan.answers.map((slots) => {
    if (slots instanceof Error) return slots;
    return slots.map((slot) => {
      const row = rows.get(idOfSlot(slot) ?? 0);
      if (row === undefined) throw new Error('an enqueued job cannot be read back');
      return toJobView(row);
    });
  });
};
