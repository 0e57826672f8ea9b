/** Where pairs are played: one database, emptied between schedules, and on it two replicas that stop and one that does not. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import type { Limits } from '../../src/core/limits.ts';
import type { Line } from '../../src/core/line.ts';
import { openHome } from '../../src/farm/open-home.ts';
import { type Finding, runDoctor } from '../../src/store/doctor.ts';
import { createPool, POOL_LIMITS } from '../../src/store/pool.ts';
import type { Queryable } from '../../src/store/transaction.ts';
import type { TestHome } from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createTestFarm, createWakeHub, testLine, testRule } from '../support/farm.ts';
import { urlOf } from '../support/test-server.ts';
import { createSide, type Side } from './side.ts';

export interface Stage {
  readonly sides: readonly [Side, Side];
  /** Of the harness's own; it never stops. */
  readonly pool: pg.Pool;
  /** What is wrong in the database, by the doctor. */
  readonly doctor: () => Promise<readonly Finding[]>;
  /** An empty farm at the beginning of time, with its replicas new. */
  readonly raise: (changes?: SceneChanges) => Promise<Scene>;
  readonly close: () => Promise<void>;
}

export interface SceneChanges {
  readonly limits?: { readonly [Group in keyof Limits]?: Partial<Limits[Group]> };
}

/** What a pair is made ready from. */
export interface Scene {
  /** The replicas that cross. Once they do, neither hears a wake: losing one may cost latency, never correctness. */
  readonly a: TestHome;
  readonly b: TestHome;
  /** A third one, to make things ready with. */
  readonly c: TestHome;
  readonly sides: readonly [Side, Side];
  readonly pool: pg.Pool;
  /** Moves the database's clock, and those of the replicas, to so long after the beginning. */
  readonly at: (ms: number) => Promise<void>;
  /** The first column of all rows, as one text: for the ends of a pair. */
  readonly read: (sql: string, values?: readonly unknown[]) => Promise<string>;
  /** Lets what goes on in the background end, and cuts the replicas off from each other's wakes. */
  readonly hush: () => Promise<void>;
}

const BEGINNING = new Date('2026-03-01T08:00:00Z');

/** No statement of a side ends by the clock: it may stand still for as long as the other takes. */
const PATIENT = {
  ...POOL_LIMITS,
  connectionsMax: 4,
  connectMs: 60_000,
  statementMs: 60_000,
  lockMs: 0,
  idleInTransactionMs: 0,
};

/** Deadlocks are ended soon, so that they are seen and not waited for. */
const DEADLOCK = '20ms';

export const openStage = async (): Promise<Stage> => {
  const database = await freshDatabase();
  const superuser = new pg.Client(urlOf(database.url, { user: inject('testServer').superuser }));
  await superuser.connect();
  for (const setting of [`deadlock_timeout = '${DEADLOCK}'`, 'plan_cache_mode = force_generic_plan']) {
    await superuser.query(`alter database ${superuser.database ?? ''} set ${setting}`);
  }
  // Triggers and foreign keys look away while rows go.
  await superuser.query('set session_replication_role = replica');
  const pools = [
    createPool(database.url, PATIENT),
    createPool(database.url, PATIENT),
    createPool(database.url, PATIENT),
  ] as const;
  const sides = [createSide('A', pools[0]), createSide('B', pools[1])] as const;
  const third = createSide('C', pools[2]);
  return {
    sides,
    pool: database.pool,
    // Planned once, not at every schedule: that takes longer than to run it.
    doctor: () => runDoctor(toQueryable((text) => superuser.query({ name: 'doctor', text }))),
    raise: async (changes = {}) => {
      await Promise.all(sides.map((side) => side.idle()));
      await superuser.query({ name: 'empty', text: 'select untouched.empty()' });
      return raise(database, sides, third, changes);
    },
    close: async () => {
      for (const pool of pools) await pool.end();
      await superuser.end();
      await database.drop();
    },
  };
};

/** The doctor says its statement and nothing else. */
const toQueryable = (query: (text: string) => Promise<pg.QueryResult>): Queryable =>
  ({ query }) as unknown as Queryable;

/** A line that tells a shopfloor, with a gated station and one that forgives a long silence. */
const line: Line = testLine({
  shopfloorUrl: 'http://127.0.0.1:9/',
  stations: new Map([
    ['FAT', testRule({ station: 'FAT' })],
    ['SMT', testRule({ station: 'SMT' })],
    ['GATED', testRule({ station: 'GATED', mode: 'gate' })],
  ]),
  events: new Map([['door open', 'DoorOpen']]),
  actions: new Map([
    ['stop', 'hold'],
    ['again', 'rerun'],
  ]),
});

const raise = async (
  database: FreshDatabase,
  sides: Scene['sides'],
  third: Side,
  { limits = {} }: SceneChanges,
): Promise<Scene> => {
  const live = createWakeHub();
  let isHushed = false;
  const hub = { ...live, wake: (wakes: Parameters<typeof live.wake>[0]) => (isHushed ? undefined : live.wake(wakes)) };
  let elapsedMs = 0;
  const clock = {
    now: () => new Date(BEGINNING.getTime() + elapsedMs),
    monotonicMs: () => elapsedMs,
    sleep: () => Promise.resolve(),
  };
  const at = async (ms: number): Promise<void> => {
    elapsedMs = ms;
    await database.setNow(clock.now());
  };
  const open = (pool: pg.Pool): TestHome => {
    const farm = createTestFarm({ database: { ...database, pool }, lines: [line], limits, clock, hub });
    // Half of every jitter, so that a schedule can be run again.
    const home = openHome({ ...farm, newId: randomUUID, random: () => 0.5 });
    return Object.assign(home, { events: farm.events, wakes: farm.wakes });
  };
  const [a, b, c] = [open(sides[0].pool), open(sides[1].pool), open(third.pool)];
  await at(0);
  return {
    a,
    b,
    c,
    sides,
    pool: database.pool,
    at,
    read: async (sql, values = []) => {
      const { rows } = await database.pool.query<unknown[]>({ text: sql, values: [...values], rowMode: 'array' });
      return rows.map(([cell]) => String(cell)).join(', ');
    },
    hush: async () => {
      for (const home of [a, b, c]) await home.settled();
      await Promise.all(sides.map((side) => side.idle()));
      isHushed = true;
    },
  };
};
