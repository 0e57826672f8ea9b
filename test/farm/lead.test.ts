/** Leads on real connections to a real PostgreSQL: who leads is what the database says. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import type { Wake } from '../../src/farm/farm.ts';
import { type Duty, Lead, leadershipTimes } from '../../src/farm/lead.ts';
import { watchHorizon } from '../../src/farm/watch-horizon.ts';
import { createStand, type Stand } from '../../src/store/leadership.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { wallClock } from '../support/wall-clock.ts';

/** As long as a test may last: what waits longer hangs. */
const TIMEOUT_MS = 60_000;
const SOON = { timeout: TIMEOUT_MS, interval: 20 };
const HOUR_MS = 3_600_000;

type Candidate = {
  readonly name: string;
  readonly lead: Lead;
  readonly said: string[];
  /** How often its duty was done. */
  times: number;
};

let database: FreshDatabase;
let candidates: Candidate[];
let hearers: Set<(wake: Wake) => void>;
beforeEach(async () => {
  database = await freshDatabase();
  candidates = [];
  hearers = new Set();
});
afterEach(async () => {
  await Promise.all(candidates.map(({ lead }) => lead.stop()));
  await database.drop();
});

type Given = {
  readonly takeoverMs: number;
  /** The server never takes it for silent, nor it the server, however slow this machine is. */
  readonly isPatient?: true;
  readonly clock?: Clock;
  readonly stand?: (stand: Stand) => Stand;
  readonly duty?: Duty['do'];
};

const enter = (
  name: string,
  { takeoverMs, isPatient, clock = wallClock, stand = (same) => same, duty }: Given,
): Candidate => {
  const times = leadershipTimes(isPatient === true ? HOUR_MS : takeoverMs);
  const candidate: Candidate = {
    name,
    said: [],
    times: 0,
    lead: new Lead({
      clock,
      limits: { ...defaultLimits, leadership: { ...defaultLimits.leadership, takeoverMs } },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      wake: (wakes) => wakes.forEach((wake) => hearers.forEach((hear) => hear(wake))),
      onWake: (hear) => {
        hearers.add(hear);
        return () => hearers.delete(hear);
      },
      stand: stand(createStand({ url: database.url, replica: name, connectMs: 10_000, ...times })),
      duties: [
        {
          name: 'count',
          everyMs: 50,
          do: async (signal) => {
            candidate.times += 1;
            await duty?.(signal);
          },
        },
      ],
      told: {
        leads: (leads) => candidate.said.push(leads ? 'leads' : 'leads no longer'),
        dutyFailed: (duty) => candidate.said.push(`failed: ${duty}`),
      },
    }),
  };
  candidates.push(candidate);
  candidate.lead.start();
  return candidate;
};

/** By the database: whose session has the lock, if anybody's. */
const leader = async (): Promise<string | undefined> => {
  const { rows } = await database.pool.query<{ name: string }>(
    `select replace(application_name, 'stationgrid leadership ', '') as name
     from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())`,
  );
  expect(rows.length).toBeLessThanOrEqual(1);
  return rows[0]?.name;
};

/** So many have asked for the lock and were answered. */
const untilAsked = (n: number): Promise<void> =>
  expect
    .poll(async () => {
      const { rows } = await database.pool.query(
        `select from pg_stat_activity where datname = current_database() and state = 'idle'
         and application_name like 'stationgrid leadership %' and query like '%pg_try_advisory_lock%'`,
      );
      return rows.length;
    }, SOON)
    .toBe(n);

const untilLeads = ({ name }: Candidate): Promise<void> => expect.poll(leader, SOON).toBe(name);

/** Stands still, as the clock of a stopped process does for it: time goes on, and nobody is woken, not by a signal either. */
const freezable = (): Clock & { readonly freeze: () => void; readonly thaw: () => void } => {
  let frozen: Promise<void> | null = null;
  let thaw = (): void => undefined;
  return {
    ...wallClock,
    sleep: async (ms, signal) => {
      await wallClock.sleep(ms, signal);
      await frozen;
    },
    freeze: () => {
      frozen = new Promise((resolve) => {
        thaw = resolve;
      });
    },
    thaw: () => {
      frozen = null;
      thaw();
    },
  };
};

test('one of several leads and does the duties, the others do nothing', { timeout: TIMEOUT_MS }, async () => {
  const first = enter('first', { takeoverMs: HOUR_MS });
  await untilLeads(first);
  const others = [enter('second', { takeoverMs: HOUR_MS }), enter('third', { takeoverMs: HOUR_MS })];
  await untilAsked(3);
  await expect.poll(() => first.times, SOON).toBeGreaterThan(2);
  expect(await leader()).toBe('first');
  expect(first.said).toEqual(['leads']);
  expect(others.map(({ times, said }) => ({ times, said }))).toEqual(others.map(() => ({ times: 0, said: [] })));
});

test('who stops hands over at once: nobody waits for the next time to ask', { timeout: TIMEOUT_MS }, async () => {
  const first = enter('first', { takeoverMs: HOUR_MS });
  await untilLeads(first);
  const second = enter('second', { takeoverMs: HOUR_MS });
  await untilAsked(2);
  await first.lead.stop();
  await untilLeads(second);
  await expect.poll(() => second.said, SOON).toEqual(['leads']);
  expect(first.said).toEqual(['leads', 'leads no longer']);
});

test('who stops has finished its duty before another begins', { timeout: TIMEOUT_MS }, async () => {
  let finish = (): void => undefined;
  const aborted: boolean[] = [];
  const first = enter('first', {
    takeoverMs: HOUR_MS,
    duty: (signal) =>
      new Promise((resolve) => {
        finish = () => {
          aborted.push(signal.aborted);
          resolve();
        };
      }),
  });
  await expect.poll(() => first.times, SOON).toBe(1);
  const second = enter('second', { takeoverMs: HOUR_MS });
  const stopped = first.lead.stop();
  expect(await leader()).toBe('first');
  expect(second.times).toBe(0);
  finish();
  await stopped;
  expect(aborted).toEqual([true]);
  await untilLeads(second);
});

test('one that is stopped loses the lock, and does nothing more when it goes on', { timeout: TIMEOUT_MS }, async () => {
  const clock = freezable();
  const first = enter('first', { takeoverMs: 2_000, clock });
  await untilLeads(first);
  await expect.poll(() => first.times, SOON).toBeGreaterThan(0);
  clock.freeze();
  const second = enter('second', { takeoverMs: 2_000, isPatient: true });
  await untilLeads(second);
  const { times } = first;
  // Its duty is due, and goes on before it can have heard that the connection is gone.
  clock.thaw();
  await expect.poll(() => first.said.at(-1), SOON).toBe('leads no longer');
  expect(first.times).toBe(times);
  await second.lead.stop();
  // Like anybody it may lead again.
  await untilLeads(first);
});

test('one whose session was ended leads no longer, and somebody leads again', { timeout: TIMEOUT_MS }, async () => {
  const first = enter('first', { takeoverMs: 2_000 });
  await untilLeads(first);
  await database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = 'stationgrid leadership first'`,
  );
  await expect.poll(() => first.said.slice(0, 3), SOON).toEqual(['leads', 'leads no longer', 'leads']);
});

test('a duty that fails is done again, and the others are done all the same', { timeout: TIMEOUT_MS }, async () => {
  const first = enter('first', { takeoverMs: HOUR_MS, duty: () => Promise.reject(new Error('not today')) });
  await expect.poll(() => first.times, SOON).toBeGreaterThan(2);
  expect(first.said.slice(0, 3)).toEqual(['leads', 'failed: count', 'failed: count']);
});

test('one that finds no database stands again', { timeout: TIMEOUT_MS }, async () => {
  let tries = 0;
  const first = enter('first', {
    takeoverMs: 2_000,
    stand: (stand) => () => {
      tries += 1;
      return tries < 3 ? Promise.reject(new Error('ECONNREFUSED')) : stand();
    },
  });
  await untilLeads(first);
  expect(tries).toBeGreaterThanOrEqual(3);
});

test('the alarm tells of events that an open transaction holds back', { timeout: TIMEOUT_MS }, async () => {
  const { pool } = database;
  const told: number[] = [];
  const warned: string[] = [];
  const log = {
    info: () => undefined,
    warn: (_facts: unknown, words: string) => warned.push(words),
    error: () => undefined,
  };
  const duty = watchHorizon({ pool, limits: defaultLimits, log }, (heldMs) => told.push(heldMs));
  const look = (): Promise<void> => duty.do(new AbortController().signal);
  const holder = await pool.connect();
  try {
    await look();
    expect(told).toEqual([0]);
    await holder.query('begin');
    await holder.query('select pg_current_xact_id()');
    await database.setNow(new Date('2026-01-01T00:00:00Z'));
    await pool.query(`insert into farm_events (kind, instance) values ('JOB_ENQUEUED', '')`);
    await database.setNow(new Date('2026-01-01T00:00:10Z'));
    await look();
    expect(warned).toEqual([]);
    await database.setNow(new Date('2026-01-01T00:00:11Z'));
    await look();
    expect(told).toEqual([0, 10_000, 11_000]);
    expect(warned).toEqual([expect.stringContaining('watchers are told nothing new')]);
    await holder.query('rollback');
    // Other databases' transactions hold events back as well, while they last.
    await expect.poll(async () => look().then(() => told.at(-1)), SOON).toBe(0);
  } finally {
    holder.release();
  }
});
