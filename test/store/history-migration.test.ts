/** What was there before 0008 lies where it belongs after it: the open in the hot tables, the ended in the days of their ends. */
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runDoctor } from '../../src/store/doctor.ts';
import { migrate } from '../../src/store/migrate.ts';
import { type EmptyDatabase, emptyDatabase } from '../support/database.ts';

const OWN = new URL('../../src/store/migrations/', import.meta.url);
const JOBS = 60;
const DAYS = 30;

let database: EmptyDatabase;
let folder: string;
beforeAll(async () => {
  database = await emptyDatabase();
  folder = await mkdtemp(join(tmpdir(), 'stationgrid-before-history-'));
  for (const name of await readdir(OWN)) if (name < '0008') await cp(new URL(name, OWN), join(folder, name));
});
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

/** Every job has a lease with a result and three calls, each sent once; and one is in a bot's hands, with a result. */
const farmOf = (jobs: number): string => `
  insert into bots (instance, bot_id) values ('l', 'b');
  insert into bot_sessions (name, instance, bot_id, state, status, capacity, properties, home_replica, expires_at)
    values ('l/s', 'l', 'b', 'OPEN', 1, 1, '{}', gen_random_uuid(), 'infinity');
  insert into requirements (id, instance, canon, constraints) overriding system value values (1, 'l', '', '[]');
  insert into devices (id, instance) overriding system value values (1, 'l');
  insert into lanes (device_id, instance, next_position, head_position) values (1, 'l', 3 * ${jobs} + 1, 3 * ${jobs} + 1);
  insert into jobs (id, instance, request_id, state, station, work, requirement_id, device_id, attempts_max, attempts, verdict,
                    enqueued_at, started_at, ended_at, reason)
    select g, 'l', g::text, 'FINISHED', 'FAT', '{"tests": [{"testId": "t"}]}', 1, 1, 3, 1, 'PASSED', t.at, t.at, t.at, ''
    from generate_series(1, ${jobs}) g,
         lateral (select now() - (1 + (${jobs} - g) * ${DAYS} / ${jobs}) * interval '1 day' + g * interval '1 microsecond') t(at);
  insert into jobs (id, instance, request_id, state, station, work, requirement_id, attempts_max, attempts)
    values (${jobs} + 1, 'l', 'open', 'LEASED', 'FAT', '{"tests": []}', 1, 3, 1);
  insert into leases (id, job_id, instance, session_name, bot_id, device_id, station, state, attempt, lost_after_ms, started_at, closed_at)
    select gen_random_uuid(), j.id, 'l', 'l/s', 'b', j.device_id, 'FAT',
           case when j.ended_at is null then 'ACTIVE' else 'COMPLETED' end, 1, 90000, j.enqueued_at, j.ended_at from jobs j;
  insert into test_results (job_id, lease_id, attempt, test_id, status, result, at)
    select l.job_id, l.id, 1, 't', 'PASSED', '{}', coalesce(l.closed_at, farm_now()) from leases l;
  insert into shopfloor_calls (id, instance, device_id, position, job_id, lease_id, attempt, method, station, test_id, status, state,
                               body, sends, owed_at, settled_at)
    select gen_random_uuid(), 'l', 1, 3 * (l.job_id - 1) + n, l.job_id, l.id, 1,
           case n when 1 then 'NotifyStart' when 2 then 'UpdateTestResult' else 'NotifyEnd' end, 'FAT',
           case n when 2 then 't' end, case n when 2 then 'PASSED' end, 'DELIVERED', repeat('x', 600), 1, l.closed_at, l.closed_at
    from leases l, generate_series(1, 3) n where l.closed_at is not null;
  insert into call_sends (call_id, number, replica, sent_at, ended_at, outcome)
    select id, 1, gen_random_uuid(), settled_at, settled_at, 'answered' from shopfloor_calls;
  insert into farm_events (kind, instance, job_id, at) select 'JOB_FINISHED', 'l', id, ended_at from jobs, generate_series(1, 6)
    where ended_at is not null;
  insert into tallies (family, instance, label, state, n) values ('job', 'l', 'FAT', 'FINISHED', ${jobs}), ('job', 'l', 'FAT', 'LEASED', 1);
  select setval('job_ids', ${jobs} + 1)`;

it('moves them all, and the farm is as sound as before', async () => {
  const owner = await database.owner();
  await migrate(owner, { folder: pathToFileURL(`${folder}/`) });
  await owner.query(farmOf(JOBS));
  expect((await migrate(owner)).map(({ number }) => number)).toContain(8);
  expect(await runDoctor(owner)).toEqual([]);
  const { rows } = await owner.query(`
    select (select count(*)::integer from open_jobs) as open, (select count(*)::integer from jobs) as jobs,
           (select count(*)::integer from open_leases where results_since is not null) as reported,
           (select count(*)::integer from shopfloor_calls) as calls, (select count(*)::integer from call_sends) as sends,
           (select count(distinct tableoid)::integer from finished_jobs) as days,
           (select count(*)::integer from finished_jobs_other) as strays,
           nextval('test_result_ids') > (select max(id) from test_results) as counts`);
  const calls = 3 * JOBS;
  const soundly = { open: 1, reported: 1, strays: 0, counts: true };
  expect(rows).toEqual([{ ...soundly, jobs: JOBS + 1, calls, sends: calls, days: DAYS }]);
});
