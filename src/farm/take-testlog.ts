/**
 * Takes in what a DUT tells by Testlog: each event once, whatever was sent how often. A run of a test that ends while a job
 * of its station runs on that DUT becomes one of the job's results, by the same road as a bot's. What the database cannot take
 * is put aside, and delays nothing else.
 */
import { createHash } from 'node:crypto';
import { resultBytes } from '../core/result-room.ts';
import type { TestResult } from '../core/test-result.ts';
import type { BadEvent, ToldEvent } from '../core/testlog.ts';
import { isOfStation } from '../core/testlog.ts';
import { findDevices } from '../store/devices.ts';
import { readOpenWork } from '../store/external-jobs.ts';
import { readFarmNow } from '../store/gates.ts';
import { lockJobs } from '../store/jobs.ts';
import { lockOpenLeases } from '../store/leases.ts';
import {
  type AttachedRun,
  attachRuns,
  insertQuarantinedEvents,
  insertTestlogEvents,
  type Origin,
  type PlacedEvent,
  upsertTestlogRuns,
} from '../store/testlog-events.ts';
import { readResults } from '../store/test-results.ts';
import { type Queryable, sqlState } from '../store/transaction.ts';
import { feedExternalJob } from './external-job.ts';
import { type Farm, transact } from './farm.ts';
import { knowDut } from './know-dut.ts';
import { announce, type Ledger, openLedger, recordOf, writeLedger } from './ledger.ts';
import { reportResults } from './settle-lease.ts';

export type TestlogBatch = Origin & { readonly events: readonly ToldEvent[]; readonly bad: readonly BadEvent[] };

export type TestlogTaken = { readonly kept: number; readonly repeated: number; readonly quarantined: number };

/** All of it is committed when this returns. */
export const takeTestlog = async (farm: Farm, batch: TestlogBatch): Promise<TestlogTaken> => {
  try {
    return await take(farm, batch);
  } catch (error) {
    const [first, ...others] = batch.events;
    if (!isUnstorable(error) || first === undefined) throw error;
    if (others.length === 0) return take(farm, { ...batch, events: [], bad: [...batch.bad, asBad(first, error)] });
    // Only the culprit is put aside.
    const half = Math.ceil(batch.events.length / 2);
    const one = await takeTestlog(farm, { ...batch, events: batch.events.slice(0, half) });
    const other = await takeTestlog(farm, { ...batch, events: batch.events.slice(half), bad: [] });
    return {
      kept: one.kept + other.kept,
      repeated: one.repeated + other.repeated,
      quarantined: one.quarantined + other.quarantined,
    };
  }
};

/** Data exceptions, and what is beyond the database's own limits. */
const isUnstorable = (error: unknown): boolean => /^(?:22|54)/.test(sqlState(error) ?? '');

const asBad = ({ event, attachments }: ToldEvent, error: unknown): BadEvent => {
  const bytes = Buffer.from(JSON.stringify(event));
  const why = error instanceof Error ? error.message : String(error);
  return {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    reason: `The database cannot keep the event: ${why}.`,
    event: bytes,
    path: null,
    attachments,
  };
};

const take = async (farm: Farm, { events, bad, ...origin }: TestlogBatch): Promise<TestlogTaken> => {
  const placed = await place(farm, origin.instance, events);
  // A log's own tables, which nobody waits for who holds anything else; then in lock order: jobs, leases, DUTs, lanes.
  const { kept, ledger } = await transact(farm, async (db) => {
    const fresh = await insertTestlogEvents(db, origin, placed);
    await upsertTestlogRuns(db, origin.instance, placed);
    await insertQuarantinedEvents(db, origin, bad);
    const told = placed.filter(({ uuid, run }) => fresh.has(uuid) && run !== null && run.result !== null);
    return { kept: fresh.size, ledger: await attach(farm, db, origin.instance, told) };
  });
  if (ledger !== null) announce(ledger, farm);
  return { kept, repeated: events.length - kept, quarantined: bad.length };
};

/**
 * Nobody may be held for what a log says: serials of more than one DUT are kept in the event, and belong to none. DUTs that are new
 * have their records before: whoever registers serials waits for no job, since others wait for serials with a job locked.
 */
const place = async (farm: Farm, instance: string, events: readonly ToldEvent[]): Promise<PlacedEvent[]> => {
  const known = new Map<string, number | null>();
  const placed: PlacedEvent[] = [];
  for (const event of events) {
    const { serials } = event;
    const key = JSON.stringify(serials);
    let deviceId = known.get(key);
    if (deviceId === undefined) {
      const owners = new Set((await findDevices(farm.pool, instance, serials)).map((each) => each.deviceId));
      deviceId = owners.size > 1 || serials.length === 0 ? null : await knowDut(farm, instance, serials);
      known.set(key, deviceId);
    }
    placed.push({ ...event, deviceId });
  }
  return placed;
};

/** Null: no job of their stations runs on their DUTs. */
const attach = async (
  farm: Farm,
  db: Queryable,
  instance: string,
  events: readonly PlacedEvent[],
): Promise<Ledger | null> => {
  const open = await readOpenWork(db, [...new Set(events.flatMap(({ deviceId }) => deviceId ?? []))]);
  // A bot that has not begun has run no test.
  const work = open.filter(({ state }) => state !== 'PENDING');
  const pairs = events.flatMap((event) => {
    const { run, deviceId } = event;
    const ran = work.find((each) => each.deviceId === deviceId && isOfStation(run?.testName ?? '', each.station));
    return run === null || run.result === null || ran === undefined ? [] : [{ run, result: run.result, ran }];
  });
  if (pairs.length === 0) return null;
  const jobIds = [...new Set(pairs.map(({ ran }) => ran.jobId))];
  const jobs = await lockJobs(db, { jobIds, sessionNames: [] });
  const leases = await lockOpenLeases(db, { jobIds, sessionNames: [] });
  const told = [...new Set(pairs.map(({ result }) => result.testId))];
  const results = await readResults(db, leases, told);
  const ledger = openLedger(await readFarmNow(db), { jobs, leases, results });
  const attached: AttachedRun[] = [];
  for (const { run, result, ran } of pairs) {
    const lease = ledger.leases.get(ran.leaseId);
    // It has ended while its lock was waited for.
    if (lease === undefined) continue;
    // A DUT that calls the shopfloor itself tells it of this test, too: the farm must not tell it a second time.
    const told = modest(farm, ledger, lease.id, result);
    if (ran.isExternal) feedExternalJob(farm, ledger, lease, told);
    else reportResults(farm, ledger, lease, [told]);
    attached.push({ testRunId: run.testRunId, jobId: ran.jobId, leaseId: ran.leaseId });
  }
  await attachRuns(db, instance, attached);
  await writeLedger(db, ledger);
  return ledger;
};

/** Measurements of logs take half of the room of an attempt at most; beyond it the event alone has them. */
const modest = ({ limits }: Farm, ledger: Ledger, leaseId: string, result: TestResult): TestResult =>
  recordOf(ledger, leaseId).standingBytes + resultBytes(result) <= limits.jobs.resultsBytesMax / 2
    ? result
    : { ...result, measurements: [] };
