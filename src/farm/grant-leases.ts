/**
 * Gives queued work to sessions with room: the second half of a flush, in the same transaction. The leases are written at
 * once, since a DUT may be leased elsewhere in this moment; what follows from them goes into the ledger.
 */
import { type Assignment, assign, mayTake, type Seeker } from '../core/assign.ts';
import { farmEvent } from '../core/farm-event.ts';
import { ruleOf } from '../core/line.ts';
import type { GrantedWork, StationWork } from '../core/station-work.ts';
import { workBytes } from '../core/work-size.ts';
import { type DeviceReadiness, type DeviceRecord, readDeviceRecords, readReadiness } from '../store/devices.ts';
import { type Candidate, type JobRow, lockCandidates, readGrantable, type JobTask } from '../store/jobs.ts';
import { insertLeases, type NewLease, readRoom } from '../store/leases.ts';
import type { Queryable } from '../store/transaction.ts';
import type { FarmSeams } from './farm.ts';
import { type Ledger, moveJob } from './ledger.ts';
import type { GrantReport, Knows, SessionWrite } from './session-write.ts';
import { keptTraceId, waitSpan } from './trace-job.ts';

type Looking = Seeker & { readonly write: SessionWrite };
type Granting = NewLease & {
  readonly sessionName: string;
  /** To its DUT. */
  readonly isPinned: boolean;
  /** Of foreign work. */
  readonly payloadBytes: number;
} & Pick<SessionWrite, 'freeSinceMs' | 'heldBytes'>;

/** What is there for sessions that look, the jobs locked. */
type Look = {
  readonly seekers: readonly Looking[];
  readonly offers: readonly Candidate[];
  readonly readiness: ReadonlyMap<number, DeviceReadiness>;
  /** How many more leases each session may have. Memory says what it wants; a commit whose answer was lost has leases, too. */
  readonly room: ReadonlyMap<string, number>;
};

export const grantLeases = async (
  farm: FarmSeams & { readonly knows: Knows },
  db: Queryable,
  ledger: Ledger,
  writes: readonly SessionWrite[],
): Promise<ReadonlyMap<string, GrantReport>> => grantFrom(farm, db, ledger, await lookForWork(farm, db, writes));

/** One round trip: all of it is asked before it returns. */
export const lookForWork = async (
  { knows }: { readonly knows: Knows },
  db: Queryable,
  writes: readonly SessionWrite[],
): Promise<Look> => {
  const seekers = seekersOf(knows, writes);
  if (seekers.length === 0) return { seekers, offers: [], readiness: new Map(), room: new Map() };
  const sessions = seekers.map((seeker) => seeker.session);
  const [offers, readiness, room] = await Promise.all([
    lockCandidates(db, queuesOf(seekers)),
    readReadiness(db, devicesOf(seekers)),
    readRoom(db, sessions),
  ]);
  return { seekers, offers, readiness, room };
};

/** Gives the sessions, which are locked and attached, what was found for them. */
export const grantFrom = async (
  farm: FarmSeams & { readonly knows: Knows },
  db: Queryable,
  ledger: Ledger,
  { seekers, offers, readiness, room }: Look,
): Promise<ReadonlyMap<string, GrantReport>> => {
  if (seekers.length === 0 || offers.length === 0) return new Map();
  await farm.knows.learn(db, [...new Set(offers.map((offer) => offer.requirementId))]);
  const isFree = (id: number): boolean => blockOf(readiness.get(id)) === null;
  const bounded = seekers.map((seeker) => ({
    ...seeker,
    wanted: Math.min(seeker.wanted, room.get(seeker.session) ?? 0),
  }));
  const { granted, full } = await write(farm, db, ledger, assign(bounded, offers, isFree));
  const queued = new Set(offers.filter(isForAnyone).map((offer) => offer.requirementId));
  return new Map(
    bounded.map((seeker) => {
      const leases = granted.get(seeker.session) ?? 0;
      const couldTake = offers.some((offer) => mayTake(seeker, offer));
      const blockedBy = full.has(seeker.session)
        ? 'with more, the work of its leases would not fit into one answer'
        : leases > 0 || !couldTake
          ? null
          : standsInTheWay(seeker, readiness);
      return [seeker.session, { leases, queued, couldTake, blockedBy }];
    }),
  );
};

/** Queued under its requirement set alone. */
const isForAnyone = (offer: Candidate): boolean => offer.deviceId === null && offer.requestedBotId === null;

/** Why a session gets nothing of what is there for it; null: others were quicker. */
const standsInTheWay = (seeker: Looking, readiness: ReadonlyMap<number, DeviceReadiness>): string | null => {
  if (seeker.wanted === 0) return 'it holds as many leases as it may';
  const [primary] = seeker.deviceIds;
  return primary === undefined ? null : blockOf(readiness.get(primary));
};

const seekersOf = (knows: Knows, writes: readonly SessionWrite[]): Looking[] =>
  writes.flatMap((write) =>
    write.search === null || write.ending !== null
      ? []
      : [
          {
            write,
            session: write.name,
            instance: write.instance,
            botId: write.botId,
            wanted: write.search.wanted,
            deviceIds: write.deviceIds,
            serves: (requirementId) => knows.serves(write, requirementId),
          },
        ],
  );

/** The queues to look into, each once, for as many as want something of it. */
const queuesOf = (seekers: readonly Looking[]): Parameters<typeof lockCandidates>[1] => {
  const classes = new Map<number, number>();
  const deviceIds = new Set<number>();
  const bots = new Map<string, { instance: string; botId: string; wanted: number }>();
  for (const { instance, botId, wanted, write } of seekers) {
    const { search } = write;
    if (search === null) continue;
    for (const id of search.requirementIds) classes.set(id, (classes.get(id) ?? 0) + wanted);
    for (const id of search.deviceIds) deviceIds.add(id);
    if (search.bot) bots.set(JSON.stringify([instance, botId]), { instance, botId, wanted });
  }
  return {
    classes: [...classes].map(([requirementId, wanted]) => ({ requirementId, wanted })),
    deviceIds: [...deviceIds],
    bots: [...bots.values()],
  };
};

const devicesOf = (seekers: readonly Looking[]): number[] => [
  ...new Set(seekers.flatMap((seeker) => seeker.deviceIds)),
];

/** Why a DUT may get no lease now; null: it may. */
const blockOf = (device: DeviceReadiness | undefined): string | null => {
  if (device === undefined) return 'its DUT has no record';
  if (device.leased) return 'its DUT is leased';
  if (device.heldReason !== null) return `its DUT is held: ${device.heldReason}`;
  if (device.asked) return 'the shopfloor has yet to answer the start of a job of its DUT that has ended';
  if (device.settlingReason !== null) return `its DUT is settling: ${device.settlingReason}`;
  return null;
};

const write = async (
  farm: FarmSeams,
  db: Queryable,
  ledger: Ledger,
  assignments: readonly Assignment<Looking, Candidate>[],
): Promise<{ readonly granted: ReadonlyMap<string, number>; readonly full: ReadonlySet<string> }> => {
  if (assignments.length === 0) return { granted: new Map(), full: new Set() };
  const jobIds = assignments.map(({ offer }) => offer.id);
  const deviceIds = assignments.flatMap(({ deviceId }) => (deviceId === null ? [] : [deviceId]));
  const [jobs, records] = await Promise.all([readGrantable(db, jobIds), readDeviceRecords(db, deviceIds)]);
  const made = assignments.map((assignment) => newLease(farm, ledger, assignment, jobs, records));
  const { leases, full } = fitting(made, farm.limits.session.workBytesMax);
  // A DUT that another replica leased in this moment leaves its grant out: the job stays in the queue.
  const written = await insertLeases(db, leases);
  const granted = new Map<string, number>();
  for (const lease of leases) {
    const job = jobs.get(lease.jobId)?.row;
    if (!written.has(lease.id) || job === undefined) continue;
    moveJob(ledger, job, 'GRANTED');
    job.botId = lease.botId;
    granted.set(lease.sessionName, (granted.get(lease.sessionName) ?? 0) + 1);
    note(farm, ledger, lease, job);
  }
  return { granted, full };
};

/**
 * Every answer tells a bot all its work, and clients take messages of a certain size only. Who holds nothing gets its first whatever
 * that has. Who cannot have the next gets none after it that others could have as well, or a large one would wait for ever; what is
 * for another of its DUTs alone waits for no other's.
 */
const fitting = (
  made: readonly Granting[],
  bytesMax: number,
): { readonly leases: readonly Granting[]; readonly full: ReadonlySet<string> } => {
  const left = new Set<Granting>();
  const full = new Set<string>();
  for (const [session, own] of Map.groupBy(made, ({ sessionName }) => sessionName)) {
    let held = own[0]?.heldBytes ?? 0;
    if (held === 0 && own.length === 1) continue;
    for (const lease of own) {
      const bytes = lease.work === null ? lease.payloadBytes : workBytes(lease.work);
      if ((held > 0 && held + bytes > bytesMax) || (full.has(session) && !lease.isPinned)) {
        full.add(session);
        left.add(lease);
      } else held += bytes;
    }
  }
  return { leases: made.filter((lease) => !left.has(lease)), full };
};

const newLease = (
  farm: FarmSeams,
  ledger: Ledger,
  { seeker, offer, deviceId }: Assignment<Looking, Candidate>,
  jobs: ReadonlyMap<number, { readonly row: JobRow; readonly task: JobTask }>,
  records: ReadonlyMap<number, DeviceRecord>,
): Granting => {
  const found = jobs.get(offer.id);
  if (found === undefined) throw new Error(`job ${String(offer.id)} vanished while it was locked`);
  const { row, task } = found;
  const line = farm.lineOf(row.instance);
  const rule = line === null ? null : (ruleOf(line, row.station) ?? line.anyStation);
  const lostAfterMs = rule?.lostAfterMs ?? farm.limits.session.lostAfterMs;
  const attempt = row.attempts + 1;
  const record = deviceId === null ? undefined : records.get(deviceId);
  const granted: GrantedWork | null =
    task.work === null ? null : grantedWork(task.work, { row, attempt, lostAfterMs, record });
  return {
    id: farm.newId(),
    jobId: row.id,
    instance: row.instance,
    sessionName: seeker.session,
    botId: seeker.botId,
    deviceId,
    station: row.station,
    attempt,
    gated: row.gateClearedUntil !== null,
    work: granted,
    lostAfterMs,
    isPinned: row.deviceId !== null,
    payloadBytes: task.payloadBytes,
    heldBytes: seeker.write.heldBytes,
    freeSinceMs: seeker.write.freeSinceMs,
  };
};

const grantedWork = (
  work: StationWork,
  given: {
    readonly row: JobRow;
    readonly attempt: number;
    readonly lostAfterMs: number;
    readonly record: DeviceRecord | undefined;
  },
): GrantedWork => ({
  ...work,
  jobId: given.row.id,
  attempt: given.attempt,
  serials: given.record?.serials ?? {},
  deviceData: given.record?.data ?? {},
  lostAfterMs: given.lostAfterMs,
  executionTimeoutMs: given.row.executionTimeoutMs,
});

const note = (farm: FarmSeams, ledger: Ledger, lease: Granting, job: JobRow): void => {
  const { instance, jobId, botId, deviceId, station, attempt } = lease;
  const facts = { station, attempt };
  ledger.events.push(farmEvent('LEASE_GRANTED', instance, { jobId, leaseId: lease.id, botId, deviceId, facts }));
  ledger.spans.push(...waitSpan(job, lease, ledger.now));
  const queuedMs = ledger.now.getTime() - job.queuedAt.getTime();
  const notedMs = farm.clock.monotonicMs();
  const freeMs = lease.freeSinceMs === null ? 0 : notedMs - lease.freeSinceMs;
  ledger.tell.push((witness) => {
    // The commit is a part of what both have waited.
    const matchMs = Math.min(queuedMs, freeMs) + farm.clock.monotonicMs() - notedMs;
    witness.granted({ instance, station, queuedMs, matchMs, traceId: keptTraceId(job) });
  });
};
