/** What has ended lies in the day of its end, and the days come and go as they should. */
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addDays, historyTables, startOf } from '../../src/core/retention.ts';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { transact } from '../../src/farm/farm.ts';
import { type HistoryKept, keepHistory } from '../../src/farm/keep-history.ts';
import { countHistoryDay } from '../../src/store/history.ts';
import { readTallies } from '../../src/store/tallies.ts';
import type { Queryable } from '../../src/store/transaction.ts';
import {
  active,
  board,
  connect,
  done,
  leasesOf,
  only,
  openTestHome,
  stateOf,
  testResult,
} from '../support/bot-calls.ts';
import type { TestBot, TestHome } from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createWakeHub, testLine } from '../support/farm.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';
import { eventually } from '../support/farm-site.ts';
import { createManualClock } from '../support/manual-clock.ts';

const DAY = '2026-03-01';
const KEEP_DAYS = 3;

let database: FreshDatabase;
let home: TestHome;
beforeEach(async () => {
  database = await freshDatabase();
  await onDay(DAY);
  const clock = createManualClock(startOf(DAY));
  const lines = [testLine({ shopfloorUrl: 'http://127.0.0.1:1/' })];
  home = openTestHome({ database, clock, hub: createWakeHub(), lines });
});
afterEach(async () => {
  await home.settled();
  expect(await database.doctor()).toEqual([]);
  await database.drop();
});

/** At noon. */
const onDay = (day: string): Promise<void> => database.setNow(new Date(`${day}T12:00:00Z`));
/** @param hear of each statement; what it returns is the statement's answer, null: it is asked. */
const keep = (hear: (text: string) => Promise<never> | null = () => null): Promise<HistoryKept> =>
  keepHistory({
    limits: { ...home.limits, history: { ...home.limits.history, keepDays: KEEP_DAYS, aheadDays: 1 } },
    transact: (work) =>
      transact(home, (db) =>
        work({
          query: (text: string, values: unknown[]) => hear(text) ?? db.query(text, values),
        } as unknown as Queryable),
      ),
  });
const asOwner = async (text: string): Promise<void> => {
  const owner = new pg.Client(database.ownerUrl);
  await owner.connect();
  await owner.query(text).finally(() => owner.end());
};
/** Where the rows of a table lie. */
const placesOf = async (table: string): Promise<string[]> => {
  const { rows } = await database.pool.query<{ place: string }>(
    `select tableoid::regclass::text as place from ${table} order by 1`,
  );
  return rows.map(({ place }) => place);
};
const tables = async (): Promise<string[]> => {
  const { rows } = await database.pool.query<{ name: string }>(
    `select relname as name from pg_class where relkind = 'r' and relname ~ '_[0-9]{8}$' order by 1`,
  );
  return rows.map(({ name }) => name);
};
const tallied = async (): Promise<string[]> =>
  (await readTallies(database.pool))
    .filter(({ n }) => n !== 0)
    .map(({ family, label, state, n }) => `${family} ${label} ${state} ${n}`);

let bots = 0;
/** A job that its bot completes, with its result; on the DUT if there is one. */
const runs = async (dut: string | null = null) => {
  const serials = dut === null ? {} : mlb(dut);
  const job = await enqueueJob(home, jobRequest({ serials }));
  const bot = await connect(home, `b${(bots += 1)}`, { duts: dut === null ? [] : [board(dut)] });
  const { id } = only(bot.created);
  await bot.poll([active(id)]);
  await bot.poll([done(id)]);
  return { job, bot, id };
};
const deliverAll = (): Promise<unknown> =>
  database.pool
    .query(
      `
    with heads as (
      insert into call_sends (call_id, number, replica, ended_at, outcome)
      select id, 1, gen_random_uuid(), farm_now(), 'answered' from unsettled_calls)
    update shopfloor_calls set state = 'DELIVERED', body = 'x', sends = 1, settled_at = farm_now() where state = 'OWED'`,
    )
    .then(() => database.pool.query('update lanes set head_position = next_position, due_at = null'));

describe('what has ended', () => {
  it('lies in its day after the completing commit, and in no hot table', async () => {
    await keep();
    const { job } = await runs('A');
    await deliverAll();
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', verdict: 'PASSED' });
    expect(await placesOf('jobs')).toEqual(['finished_jobs_20260301']);
    expect(await placesOf('leases')).toEqual(['closed_leases_20260301']);
    expect(await placesOf('test_results')).toEqual(['test_results_20260301']);
    expect(new Set(await placesOf('shopfloor_calls'))).toEqual(new Set(['settled_calls_20260301']));
    expect(new Set(await placesOf('call_sends'))).toEqual(new Set(['ended_sends_20260301']));
    expect(new Set(await placesOf('farm_events'))).toEqual(new Set(['farm_events_20260301']));
  });

  it('may be told again: the bot is answered, and what contradicts is kept as stale', async () => {
    const { job, bot, id } = await runs();
    const contrary = done(id, { results: [testResult('probe', 'FAILED')] });
    for (const again of [done(id), contrary, contrary]) expect((await bot.poll([again])).leases).toEqual([]);
    const { rows } = await database.pool.query('select status, stale from test_results order by id');
    expect(rows).toEqual([
      { status: 'PASSED', stale: false },
      { status: 'FAILED', stale: true },
    ]);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', verdict: 'PASSED' });
  });

  it('is cancelled or completed, whichever commits first, while both wait for the job', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    const holder = await database.pool.connect();
    await holder.query('begin');
    await holder.query('select from open_jobs where id = $1 for update', [job.id]);
    const completing = bot.poll([done(id)]);
    const cancelling = cancelJob(home, { instance: 'line-1', id: job.id, reason: '' }).then(
      ({ outcome }) => outcome,
      (error: unknown) => (error as { reason: string }).reason,
    );
    await holder.query('commit');
    holder.release();
    const [reply, outcome] = await Promise.all([completing, cancelling]);
    const { state } = (await stateOf(home, job.id)) as { state: string };
    expect([state, outcome]).toEqual(
      outcome === 'CANCELLING' ? ['CANCELLED', outcome] : ['FINISHED', 'ALREADY_FINISHED'],
    );
    expect(reply.leases).toEqual([]);
    expect(await leasesOf(home, job.id)).toHaveLength(1);
  });
});

describe('days', () => {
  it('are made for today and ahead, once, whoever asks', async () => {
    const rounds = [await keep(), await keep()];
    expect(rounds.map(({ made }) => made.length)).toEqual([2 * historyTables.length, 0]);
    expect(await tables()).toEqual(historyTables.flatMap((table) => [`${table}_20260301`, `${table}_20260302`]).sort());
  });

  it('that nobody made are no reason to fail, and are made right later', async () => {
    await runs('A');
    expect(await placesOf('jobs')).toEqual(['finished_jobs_other']);
    await onDay(addDays(DAY, 1));
    await keep();
    expect(await placesOf('jobs')).toEqual(['finished_jobs_20260301']);
    expect(await placesOf('leases')).toEqual(['closed_leases_20260301']);
  });

  it('are made ahead before anybody asks what lies in none', async () => {
    await runs('A');
    const strays = new Error('canceling statement due to statement timeout');
    const kept = keep((text) => (text.includes('_other') ? Promise.reject(strays) : null));
    await expect(kept).rejects.toBe(strays);
    expect(await tables()).toEqual(historyTables.flatMap((table) => [`${table}_20260301`, `${table}_20260302`]).sort());
  });

  it('of what lies in none are found by one look each', async () => {
    await runs('A');
    const asked: string[] = [];
    await keep((text) => {
      if (text.includes('_other')) asked.push(text);
      return null;
    });
    expect(asked.length).toBeGreaterThanOrEqual(historyTables.length);
    for (const text of asked) {
      const { rows } = await database.pool.query<{ 'QUERY PLAN': string }>(`explain (generic_plan) ${text}`);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).toContain('_strays');
      expect(plan).not.toMatch(/Seq Scan on \w+_other/);
    }
  });

  it('are no table of that name that somebody else made', async () => {
    const session = await database.pool.connect();
    try {
      await session.query('create temporary table finished_jobs_20260301 (id bigint)');
      const make = `select make_history_day('finished_jobs', '${DAY}') as made`;
      expect((await session.query(make)).rows).toEqual([{ made: 'MADE' }]);
      expect((await session.query(make)).rows).toEqual([{ made: 'THERE' }]);
      await session.query('drop table pg_temp.finished_jobs_20260301');
    } finally {
      session.release();
    }
    await runs();
    expect(await placesOf('jobs')).toEqual(['finished_jobs_20260301']);
    await asOwner('create table closed_leases_20260302 (id bigint)');
    const { left } = await keep();
    expect(left).toEqual([
      { table: 'closed_leases', day: '2026-03-02', why: expect.stringContaining('already exists') },
    ]);
  });

  it('are left to a person where making one would keep completions waiting for long', async () => {
    // A block a row: 128 MiB, and one. A vacuum gives way to who wants the table only after as long as a lock is waited for.
    await asOwner('alter table farm_events_other set (fillfactor = 10, autovacuum_enabled = off)');
    await asOwner(
      `insert into farm_events (kind, instance, facts) select 'BOT_EVENT', 'line-1', jsonb_build_object('told', repeat('x', 900))
       from generate_series(1, 16385)`,
    );
    const { made, left } = await keep();
    expect([made.length, left.map(({ table }) => table)]).toEqual([10, ['farm_events', 'farm_events']]);
    await asOwner(`select make_history_day('farm_events', '${DAY}')`);
    expect(new Set(await placesOf('farm_events'))).toEqual(new Set(['farm_events_20260301']));
  });

  it('that are being made by another are left to it', async () => {
    const other = await database.pool.connect();
    await other.query('begin');
    await other.query(`select pg_advisory_xact_lock(hashtextextended('history', 0))`);
    const { made, left } = await keep();
    await other.query('commit');
    other.release();
    expect([made.length, left.length]).toEqual([0, 2 * historyTables.length]);
    expect((await keep()).made).toHaveLength(2 * historyTables.length);
  });
});

describe('a day that is made under the feet of a write', () => {
  /** Starts `write` while the day of the table is being made, and lets the day come to be once the write waits for it. */
  const during = async <T>(table: string, write: () => Promise<T>): Promise<T> => {
    const maker = await database.pool.connect();
    try {
      await maker.query('begin');
      await maker.query('select make_history_day($1, $2::date)', [table, DAY]);
      const written = write();
      await eventually(async () => {
        const { rows } = await database.pool.query(
          'select from pg_locks where relation = $1::regclass and not granted',
          [`${table}_other`],
        );
        expect(rows).toHaveLength(1);
      });
      await maker.query('commit');
      return await written;
    } finally {
      maker.release();
    }
  };

  it('takes the row of a job that is enqueued', async () => {
    const job = await during('farm_events', () => enqueueJob(home, jobRequest()));
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'QUEUED' });
    expect(new Set(await placesOf('farm_events'))).toEqual(new Set(['farm_events_20260301']));
  });

  it('takes the job that ends', async () => {
    const job = await enqueueJob(home, jobRequest());
    const bot = await connect(home, 'b');
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    await during('finished_jobs', () => bot.poll([done(id)]));
    expect(await placesOf('jobs')).toEqual(['finished_jobs_20260301']);
    expect(await stateOf(home, job.id)).toMatchObject({ state: 'FINISHED', verdict: 'PASSED' });
  });
});

describe('retention', () => {
  const runsOn = async (day: string): Promise<{ readonly job: { readonly id: number }; readonly bot: TestBot }> => {
    await onDay(day);
    await keep();
    return runs();
  };

  it('drops whole days that are past their time, with all that belongs to their jobs, and keeps the counts', async () => {
    await runsOn(DAY);
    const second = await runsOn(addDays(DAY, 1));
    expect(await database.doctor()).toEqual([]);
    await onDay(addDays(DAY, KEEP_DAYS + 1));
    const { dropped, deleted, left } = await keep();
    expect({ deleted, left }).toEqual({ deleted: 0, left: [] });
    expect(dropped.map(({ table, day }) => `${table} ${day}`).sort()).toEqual(
      historyTables.map((table) => `${table} ${DAY}`).sort(),
    );
    expect(await placesOf('jobs')).toEqual(['finished_jobs_20260302']);
    expect(await placesOf('leases')).toEqual(['closed_leases_20260302']);
    expect(await stateOf(home, second.job.id)).toMatchObject({ state: 'FINISHED' });
    expect(await tallied()).toEqual(['dropped FAT FINISHED 1', 'job FAT FINISHED 1']);
  });

  it('does not drop a job of which something is owed', async () => {
    await onDay(DAY);
    await keep();
    await runs('A');
    await onDay(addDays(DAY, KEEP_DAYS + 1));
    expect((await keep()).dropped).toEqual([]);
    await deliverAll();
    expect(
      (await keep()).dropped
        .filter(({ rows }) => rows > 0)
        .map(({ table }) => table)
        .sort(),
    ).toEqual(['closed_leases', 'farm_events', 'finished_jobs', 'test_results'].sort());
    // What was settled today stays as long as today does.
    expect(new Set(await placesOf('shopfloor_calls'))).toEqual(new Set(['settled_calls_20260305']));
  });

  it('leaves what belongs to a job that is still there, however old', async () => {
    await runsOn(DAY);
    const old = await enqueueJob(home, jobRequest({ constraints: [{ key: 'no-bot', allowedValues: ['has'] }] }));
    await onDay(addDays(DAY, KEEP_DAYS + 1));
    expect((await keep()).dropped.map(({ table }) => table)).toEqual(['finished_jobs']);
    expect(await placesOf('leases')).toEqual(['closed_leases_20260301']);
    await cancelJob(home, { instance: 'line-1', id: old.id, reason: '' });
    await onDay(addDays(DAY, 2 * KEEP_DAYS + 3));
    await keep();
    expect(await placesOf('leases')).toEqual([]);
    expect(await tallied()).toEqual(['dropped FAT CANCELLED 1', 'dropped FAT FINISHED 1']);
  });

  it('counts a day in bites, whatever its size, and goes on where it was', async () => {
    await keep();
    // A block a row: 16 MiB each bite.
    await asOwner('alter table closed_leases_20260301 set (fillfactor = 10)');
    await asOwner('alter table finished_jobs_20260301 set (fillfactor = 10)');
    const { job } = await runs();
    await asOwner(
      `insert into jobs select (jsonb_populate_record(j, jsonb_build_object('id', 1000 + g, 'reason', repeat('x', 900),
         'station', case when g % 2 = 0 then 'FAT' else 'GRT' end))).* from jobs j, generate_series(1, 4999) g where j.id = ${job.id}`,
    );
    await asOwner(
      `insert into tallies (family, instance, label, state, n) select 'job', 'line-1', s, 'FINISHED', n
       from (values ('FAT', 2499), ('GRT', 2500)) v(s, n)`,
    );
    await onDay(addDays(DAY, KEEP_DAYS + 1));
    const bites: number[] = [];
    const bite = async (): Promise<number | null> =>
      transact(home, (db) => countHistoryDay(db, { table: 'finished_jobs', day: DAY }));
    for (let left = await bite(); left !== null && left > 0; left = await bite()) bites.push(left);
    expect(bites).toEqual([5000 - 2048, 5000 - 2 * 2048]);
    const { dropped } = await keep();
    expect(dropped.find(({ table }) => table === 'finished_jobs')).toMatchObject({ rows: 5000 });
    expect(await tallied()).toEqual(['dropped FAT FINISHED 2500', 'dropped GRT FINISHED 2500']);
  });

  it('does not count again what was counted', async () => {
    await runsOn(DAY);
    await onDay(addDays(DAY, KEEP_DAYS + 1));
    await transact(home, (db) => countHistoryDay(db, { table: 'farm_events', day: DAY }));
    await asOwner(`update day_counts set rows = 7000000 where history = 'farm_events'`);
    const { dropped } = await keep();
    expect(dropped.find(({ table }) => table === 'farm_events')).toMatchObject({ rows: 7_000_000 });
    expect((await database.pool.query('select from day_counts')).rowCount).toBe(0);
  });

  it('deletes what lies in no day, a few rows at a time', async () => {
    await runs();
    await runs();
    await onDay(addDays(DAY, KEEP_DAYS + 1));
    const { deleted } = await keep();
    expect(deleted).toBeGreaterThanOrEqual(2 * 4);
    expect(await placesOf('jobs')).toEqual([]);
    expect(await tallied()).toEqual(['dropped FAT FINISHED 2']);
  });

  it('goes on after a crash between two of its transactions', async () => {
    await runsOn(DAY);
    await onDay(addDays(DAY, KEEP_DAYS + 1));
    let transactions = 0;
    const dying = keepHistory({
      limits: { ...home.limits, history: { ...home.limits.history, keepDays: KEEP_DAYS, aheadDays: 1 } },
      transact: (work) => {
        // As if the connection were gone.
        if ((transactions += 1) > 22) throw Object.assign(new Error('gone'), { code: '57P01' });
        return transact(home, work);
      },
    });
    await expect(dying).rejects.toThrow('gone');
    expect(await database.doctor()).toEqual([]);
    await keep();
    expect(await placesOf('jobs')).toEqual([]);
    expect(await tallied()).toEqual(['dropped FAT FINISHED 1']);
  });

  it("is all that the farm's role may drop, and only by its rules", async () => {
    const asked = (text: string) => database.pool.query(text);
    await keep();
    await expect(asked('drop table finished_jobs_20260301')).rejects.toMatchObject({ code: '42501' });
    await expect(asked('drop table open_jobs')).rejects.toMatchObject({ code: '42501' });
    await expect(asked(`select drop_history_day('open_jobs', '2026-01-01')`)).rejects.toMatchObject({ code: '22023' });
    await expect(asked(`select drop_history_day('finished_jobs', '${DAY}')`)).rejects.toMatchObject({ code: '22023' });
    await expect(asked(`select make_history_day('pg_class', '${DAY}')`)).rejects.toMatchObject({ code: '22023' });
    await expect(asked(`select make_history_day('finished_jobs', '9999-01-01')`)).rejects.toMatchObject({
      code: '22023',
    });
    await expect(asked(`select count_history_day('jobs', '2026-01-01')`)).rejects.toMatchObject({ code: '22023' });
    await expect(asked(`select count_bite('finished_jobs', '${DAY}', 'jobs', 1)`)).rejects.toMatchObject({
      code: '42501',
    });
  });
});
