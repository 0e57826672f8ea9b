/** Rows for tests whose subject is not how they came to be. They fit together as the doctor wants it. */
import { randomUUID } from 'node:crypto';
import type { HeldBy } from '../../src/core/job.ts';
import type { OwedCall } from '../../src/core/shopfloor-call.ts';
import { addSerials, insertDevice } from '../../src/store/devices.ts';
import { internRequirements } from '../../src/store/jobs.ts';
import { type CallToOwe, oweCalls } from '../../src/store/owed-calls.ts';
import { addTallies } from '../../src/store/tallies.ts';
import { inTransaction, type Queryable } from '../../src/store/transaction.ts';
import type pg from 'pg';

export const INSTANCE = 'line-1';

/** A DUT known by its main board. */
export async function insertUnit(pool: pg.Pool, board: string, instance = INSTANCE): Promise<number> {
  const id = await insertDevice(pool, instance);
  await addSerials(pool, { id, instance }, [{ name: 'serials.mlb_serial_number', value: board }]);
  return id;
}

export interface JobToInsert {
  readonly deviceId: number;
  readonly station: string;
  readonly heldBy?: HeldBy;
  readonly priority?: number;
}

/** A queued job, pinned to its DUT, with one test. */
export async function insertJob(pool: Queryable, job: JobToInsert, instance = INSTANCE): Promise<number> {
  const [requirementId] = await internRequirements(pool, [{ instance, canon: '[]', constraints: [] }]);
  const work = {
    station: job.station,
    tests: [{ testId: `${job.station}.T`, run: null, args: null, timeoutMs: null }],
  };
  const { rows } = await pool.query<{ id: number }>(
    `insert into jobs (instance, request_id, state, station, work, requirement_id, device_id, attempts_max, held_by,
                       held_reason, priority)
     values ($1, $2, 'QUEUED', $3, $4::jsonb, $5, $6, 3, $7, $8, $9) returning id`,
    [
      instance,
      randomUUID(),
      job.station,
      JSON.stringify(work),
      requirementId,
      job.deviceId,
      job.heldBy ?? null,
      job.heldBy === undefined ? null : 'as the test has it',
      job.priority ?? 0,
    ],
  );
  await addTallies(pool, [{ family: 'job', instance, label: job.station, state: 'QUEUED', n: 1 }]);
  return rows[0]!.id;
}

/** Owes calls in a DUT's lane in one commit, in the order given; returns their ids. */
export async function oweTo(
  pool: pg.Pool,
  deviceId: number,
  calls: readonly OwedCall[],
  about: Partial<Pick<CallToOwe, 'jobId' | 'attempt' | 'instance'>> = {},
): Promise<string[]> {
  const placed = calls.map((call) => ({
    ...call,
    id: randomUUID(),
    instance: about.instance ?? INSTANCE,
    deviceId,
    jobId: about.jobId ?? null,
    leaseId: null,
    attempt: about.attempt ?? 1,
  }));
  const seams = { pool, random: () => 0, sleep: () => Promise.resolve() };
  await inTransaction(seams, (db) => oweCalls(db, placed));
  return placed.map(({ id }) => id);
}

/** Sessions of the database that wait for a lock. */
export async function countWaiting(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ n: number }>(
    `select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return rows[0]!.n;
}
