import { afterAll, beforeAll, expect, test } from 'vitest';
import { readGauges } from '../../src/store/gauges.ts';
import { addTallies } from '../../src/store/tallies.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';

const NOW = '2026-01-01T12:00:00Z';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
  await database.setNow(new Date(NOW));
});
afterAll(() => database.drop());

const query = (text: string, values: readonly unknown[] = []) => database.pool.query(text, [...values]);

/** So many runnable jobs of an instance, the first queued `oldestSeconds` ago and each later one a second after. */
const queue = async (instance: string, jobs: number, oldestSeconds: number): Promise<void> => {
  await query(`insert into requirements (instance, canon, constraints) values ($1, '[]', '[]')`, [instance]);
  await query(
    `insert into jobs (instance, request_id, state, station, work, requirement_id, attempts_max, queued_at)
     select $1, 'r' || n, 'QUEUED', 'FAT', '{}', (select id from requirements where instance = $1), 3,
            farm_now() - make_interval(secs => $3::integer - n)
     from generate_series(0, $2::integer - 1) n`,
    [instance, jobs, oldestSeconds],
  );
  await addTallies(database.pool, [{ family: 'job', instance, label: 'FAT', state: 'QUEUED', n: jobs }]);
};

const owe = async (instance: string, lane: { calls: number; delivered: number; blocked: boolean }): Promise<void> => {
  const { rows } = await query('insert into devices (instance) values ($1) returning id', [instance]);
  const { calls, delivered, blocked } = lane;
  const due = blocked || delivered === calls ? null : NOW;
  await query(
    `insert into lanes (device_id, instance, next_position, head_position, due_at, blocked) values ($1, $2, $3, $4, $5, $6)`,
    [rows[0].id, instance, calls + 1, delivered + 1, due, blocked],
  );
  await query(
    `insert into shopfloor_calls (id, instance, device_id, position, method, station, state, body, owed_at, settled_at)
     select gen_random_uuid(), $1, $2, n, 'NotifyStart', 'FAT', case when n <= $4 then 'DELIVERED' else 'OWED' end, '',
            farm_now() - make_interval(secs => 100 - n), case when n <= $4 then farm_now() end
     from generate_series(1, $3::integer) n`,
    [instance, rows[0].id, calls, delivered],
  );
};

test('tells jobs, the oldest queued one, lanes and what they owe, instance by instance', async () => {
  await queue('counted', 3, 90);
  await owe('counted', { calls: 5, delivered: 2, blocked: false });
  await owe('counted', { calls: 4, delivered: 0, blocked: true });
  await owe('counted', { calls: 4, delivered: 4, blocked: false });
  const { jobs, instances } = await readGauges(database.pool, ['quiet']);
  expect(jobs.filter(({ instance }) => instance === 'counted')).toEqual([
    { instance: 'counted', station: 'FAT', state: 'QUEUED', n: 3 },
  ]);
  expect(instances.filter(({ instance }) => ['counted', 'quiet'].includes(instance))).toEqual([
    { instance: 'counted', oldestQueuedSeconds: 90, due: 1, blocked: 1, owed: 7, oldestOwedSeconds: 99 },
    { instance: 'quiet', oldestQueuedSeconds: 0, due: 0, blocked: 0, owed: 0, oldestOwedSeconds: 0 },
  ]);
});

test('a held job has not been waiting for a bot', async () => {
  await queue('held', 1, 500);
  await query(`update jobs set held_by = 'ROUTE', held_reason = 'its turn' where instance = 'held'`);
  const { instances } = await readGauges(database.pool, []);
  expect(instances.find(({ instance }) => instance === 'held')?.oldestQueuedSeconds).toBe(0);
});

test('reads no more of a backlog of 20,000 jobs than of one', async () => {
  await queue('deep', 20_000, 40_000);
  await query('analyze jobs');
  const client = await database.pool.connect();
  try {
    const rowsRead = async (): Promise<number> => {
      await client.query('select pg_stat_force_next_flush()');
      const { rows } = await client.query(
        `select (seq_tup_read + idx_tup_fetch)::integer as n from pg_stat_user_tables where relname = 'jobs'`,
      );
      return Number(rows[0].n);
    };
    const before = await rowsRead();
    const { instances } = await readGauges(client, []);
    expect(instances.find(({ instance }) => instance === 'deep')?.oldestQueuedSeconds).toBe(40_000);
    expect((await rowsRead()) - before).toBeLessThan(50);
  } finally {
    client.release();
  }
});
