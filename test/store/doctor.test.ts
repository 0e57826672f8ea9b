import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { runDoctor } from '../../src/store/doctor.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';

let db: FreshDatabase;
let owner: pg.Client;
beforeAll(async () => {
  db = await freshDatabase();
  owner = new pg.Client(db.ownerUrl);
  await owner.connect();
});
afterAll(async () => {
  await owner.end();
  await db.drop();
});

// Each test plants its violation in a transaction that is never committed. What the schema itself forbids is planted by
// taking the constraint away first, as a broken index would.
beforeEach(async () => {
  await owner.query('begin');
  await owner.query(soundFarm);
});
afterEach(async () => {
  await owner.query('rollback');
});

const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/**
 * One bot, its session, two DUTs. Job 1: passed at its second attempt, its calls told but for the last. Job 2: in the
 * bot's hands. Job 3: waits for job 2 on its route. Job 4: asked the shopfloor, which refused.
 */
const soundFarm = `
insert into bots (instance, bot_id) values ('l', 'b');
insert into bot_sessions (name, instance, bot_id, state, status, capacity, properties, home_replica, expires_at)
  values ('l/s1', 'l', 'b', 'OPEN', 1, 1, '[]', '${uuid(9)}', 'infinity');
insert into bot_sessions (name, instance, bot_id, state, closed_reason, closed_at, status, capacity, properties, home_replica, expires_at)
  values ('l/s0', 'l', 'b', 'CLOSED', 'replaced', farm_now(), 1, 1, '[]', '${uuid(9)}', 'infinity');
insert into devices (id, instance) overriding system value values (1, 'l'), (2, 'l');
insert into device_serials (instance, name, value, device_id) values ('l', 'serials.serial_number', 'SN1', 1);
insert into requirements (id, instance, canon, constraints) overriding system value values (1, 'l', '', '[]');
insert into jobs (id, instance, request_id, state, station, work, requirement_id, device_id, attempts_max, attempts, verdict, ended_at, reason)
  values (1, 'l', 'r1', 'FINISHED', 'FAT', '{"tests": [{"testId": "t1"}]}', 1, 1, 3, 2, 'PASSED', farm_now(), '');
insert into jobs (id, instance, request_id, state, station, work, requirement_id, device_id, attempts_max, attempts, route)
  values (2, 'l', 'r2', 'LEASED', 'RUNIN', '{"tests": []}', 1, 2, 3, 1, 'main');
insert into jobs (id, instance, request_id, state, station, work, requirement_id, device_id, attempts_max, route, held_by, held_reason)
  values (3, 'l', 'r3', 'QUEUED', 'FFT', '{"tests": []}', 1, 2, 3, 'main', 'ROUTE', 'waits'),
         (4, 'l', 'r4', 'QUEUED', 'GRT', '{"tests": []}', 1, 1, 3, null, 'GATE_REFUSED', 'refused');
insert into leases (id, job_id, instance, session_name, bot_id, device_id, station, state, attempt, lost_after_ms, started_at, closed_at)
  values ('${uuid(11)}', 1, 'l', 'l/s0', 'b', 1, 'FAT', 'LOST', 1, 90000, farm_now(), farm_now()),
         ('${uuid(12)}', 1, 'l', 'l/s1', 'b', 1, 'FAT', 'COMPLETED', 2, 90000, farm_now(), farm_now()),
         ('${uuid(13)}', 1, 'l', 'l/s1', 'b', 1, 'FAT', 'WITHDRAWN', 2, 90000, null, farm_now()),
         ('${uuid(21)}', 2, 'l', 'l/s1', 'b', 2, 'RUNIN', 'ACTIVE', 1, 90000, farm_now(), null);
insert into test_results (job_id, lease_id, attempt, test_id, status, result)
  values (1, '${uuid(12)}', 2, 't1', 'PASSED', '{}');
insert into lanes (device_id, instance, next_position, head_position, due_at)
  values (1, 'l', 7, 6, farm_now()), (2, 'l', 2, 1, farm_now());
insert into shopfloor_calls (id, instance, device_id, position, job_id, lease_id, attempt, method, station, test_id, status, gate, state, body, sends, settled_at)
  values ('${uuid(101)}', 'l', 1, 1, 1, '${uuid(11)}', 1, 'NotifyStart', 'FAT', null, null, false, 'DELIVERED', 'x', 1, farm_now()),
         ('${uuid(102)}', 'l', 1, 2, 1, '${uuid(11)}', 1, 'UpdateTestResult', 'FAT', 'FAT', 'FAILED', false, 'DELIVERED', 'x', 1, farm_now()),
         ('${uuid(103)}', 'l', 1, 3, 4, null, 1, 'NotifyStart', 'GRT', null, null, true, 'GATE_REFUSED', 'x', 1, farm_now()),
         ('${uuid(104)}', 'l', 1, 4, 1, '${uuid(12)}', 2, 'NotifyStart', 'FAT', null, null, false, 'DELIVERED', 'x', 1, farm_now()),
         ('${uuid(105)}', 'l', 1, 5, 1, '${uuid(12)}', 2, 'UpdateTestResult', 'FAT', 't1', 'PASSED', false, 'DELIVERED', 'x', 1, farm_now()),
         ('${uuid(106)}', 'l', 1, 6, 1, '${uuid(12)}', 2, 'NotifyEnd', 'FAT', null, null, false, 'OWED', null, 0, null),
         ('${uuid(201)}', 'l', 2, 1, 2, '${uuid(21)}', 1, 'NotifyStart', 'RUNIN', null, null, false, 'OWED', null, 0, null);
insert into call_sends (call_id, number, replica, ended_at, outcome)
  select id, 1, '${uuid(9)}', farm_now(), case state when 'DELIVERED' then 'answered' else 'fault' end
  from shopfloor_calls where sends = 1;
insert into tallies (family, instance, label, state, n)
  values ('job', 'l', 'FAT', 'FINISHED', 1), ('job', 'l', 'RUNIN', 'LEASED', 1), ('job', 'l', 'FFT', 'QUEUED', 1),
         ('job', 'l', 'GRT', 'QUEUED', 1);
`;

const lease = (id: number, jobId: number, deviceId: number, state: string): string =>
  `insert into leases (id, job_id, instance, session_name, bot_id, device_id, station, state, attempt, lost_after_ms, started_at)
   values ('${uuid(id)}', ${String(jobId)}, 'l', 'l/s1', 'b', ${String(deviceId)}, 'X', '${state}', 1, 1, farm_now())`;

const token = (id: number, ended = 'null'): string =>
  `insert into bot_tokens (id, instance, bot_id, secret_sha256, created_by, expires_at, revoked_at, revoked_by)
   values ('${uuid(id)}', 'l', 'b', sha256('x'), 'ada', farm_now() + interval '1 day', ${ended},
           case when ${ended} is not null then 'ada' end);`;

test('a sound farm has no findings', async () => {
  expect(await runDoctor(owner)).toEqual([]);
});

test('an empty farm has no findings', async () => {
  await owner.query('rollback');
  expect(await runDoctor(owner)).toEqual([]);
});

type Planted = readonly [words: string, what: string, plant: string];

// prettier-ignore
const violations: readonly Planted[] = [
  ['a bot has 3 tokens that hold and may have two', 'bot b of instance "l"', token(1) + token(2) + token(3)],
  ['a job has more than one open lease', 'job 2',
    `drop index leases_one_open_a_job; drop index leases_one_open_a_device; ${lease(22, 2, 2, 'PENDING')}`],
  ['a DUT has more than one open lease', 'device 2',
    `drop index leases_one_open_a_device; ${lease(22, 3, 2, 'PENDING')}`],
  ['a session has 2 open leases and a capacity of 1', 'session l/s1', lease(22, 4, 1, 'PENDING')],
  ['the job is LEASED and has no open lease', 'job 2',
    `update leases set state = 'LOST', closed_at = farm_now() where job_id = 2`],
  ['the job is LEASED and its open lease is CANCELLING', `job 2, lease ${uuid(21)}`,
    `update leases set state = 'CANCELLING' where id = '${uuid(21)}'`],
  ['the job is QUEUED and its open lease is ACTIVE', `job 2, lease ${uuid(21)}`,
    `update jobs set state = 'QUEUED' where id = 2`],
  ['the job is FAILED and its open lease is ACTIVE', `job 2, lease ${uuid(21)}`,
    `update jobs set state = 'FAILED', failure = 'ERROR', ended_at = farm_now() where id = 2`],
  ['the lease is on another instance or DUT than its job', `job 2, lease ${uuid(21)}`,
    `update jobs set device_id = 1 where id = 2`],
  ['the job counts 3 attempts; its started leases are numbered 1, 2', 'job 1', 'update jobs set attempts = 3 where id = 1'],
  ['the job counts 2 attempts; its started leases are numbered 2, 2', 'job 1',
    `update leases set attempt = 2 where id = '${uuid(11)}'`],
  ['the job is FINISHED and no lease of it was completed', 'job 1',
    `update leases set state = 'LOST' where id = '${uuid(12)}'`],
  ['its job is not there, and none as late was dropped', `lease ${uuid(13)}, job 77`,
    `update leases set job_id = 77 where id = '${uuid(13)}'`],
  ['its job is not there, and none as late was dropped', 'the request r9 of instance "l", job 77',
    `insert into dropped_days (history, day, rows, last_job_id) values ('finished_jobs', '2026-01-01', 1, 76);
     insert into enqueue_requests (instance, request_id, fingerprint, job_id) values ('l', 'r9', '', 77)`],
  ['its lease is not there', `call ${uuid(105)}, lease ${uuid(99)}`,
    `update shopfloor_calls set lease_id = '${uuid(99)}' where id = '${uuid(105)}'`],
  ['the job is there more than once', 'job 1', `insert into finished_jobs select * from finished_jobs where id = 1`],
  ['the lease is there more than once', `lease ${uuid(12)}`,
    `insert into closed_leases select * from closed_leases where id = '${uuid(12)}'`],
  ['the lease has results and does not say so', `lease ${uuid(21)}`,
    `insert into test_results (job_id, lease_id, attempt, test_id, status, result) values (2, '${uuid(21)}', 1, 't1', 'PASSED', '{}');
     update leases set results_since = null where id = '${uuid(21)}'`],
  ['a job of the route runs and an earlier one has not ended', 'job 3 after job 2',
    `drop index leases_one_open_a_device; ${lease(22, 3, 2, 'ACTIVE')}`],
  ['a bot has more than one live session', 'bot b of instance "l"',
    `drop index bot_sessions_one_live;
     update bot_sessions set state = 'LAPSED', closed_reason = null, closed_at = null where name = 'l/s0'`],
  ['an open lease belongs to a closed session', `lease ${uuid(21)}, session l/s0`,
    `update leases set session_name = 'l/s0' where id = '${uuid(21)}'`],
  ['an open lease and its session name different bots', `lease ${uuid(21)}, session l/s1`,
    `update leases set bot_id = 'c' where id = '${uuid(21)}'`],
  ['a test has more than one standing result in one lease', `lease ${uuid(12)}, test t1`,
    `     insert into test_results (job_id, lease_id, attempt, test_id, status, result) values (1, '${uuid(12)}', 2, 't1', 'SKIPPED', '{}')`],
  ['a result names another job or attempt than its lease', `lease ${uuid(12)}, test t1`, 'update test_results set attempt = 1'],
  ['the job PASSED without a passing result of a test that it names', 'job 1, test t1', 'update test_results set stale = true'],
  ['the job PASSED and a standing result of its last attempt is FAILED', 'job 1, test t2',
    `insert into test_results (job_id, lease_id, attempt, test_id, status, result) values (1, '${uuid(12)}', 2, 't2', 'FAILED', '{}')`],
  ["a station's work is FINISHED without a verdict", 'job 1', 'update jobs set verdict = null where id = 1'],
  ['positions 2 and 4 follow each other', 'lane of device 1', 'delete from call_sends where call_id = ' +
    `'${uuid(103)}'; delete from shopfloor_calls where id = '${uuid(103)}'`],
  ['the last call is at 6 position, the next one would be 9', 'lane of device 1',
    'update lanes set next_position = 9 where device_id = 1'],
  ['the head is said to be 5; the first call that is not settled is 6', 'lane of device 1',
    'update lanes set head_position = 5 where device_id = 1'],
  ['the head is OWED and the lane is blocked', 'lane of device 1',
    'update lanes set due_at = null, blocked = true where device_id = 1'],
  ['the head is DEAD and the lane is not blocked', 'lane of device 1',
    `update shopfloor_calls set state = 'DEAD', body = 'x' where id = '${uuid(106)}'`],
  ['a call is owed and nobody will ever send it', 'lane of device 1', 'update lanes set due_at = null where device_id = 1'],
  ['the call is settled and the one before it is OWED', `call ${uuid(105)}`,
    `update shopfloor_calls set state = 'OWED', settled_at = null where id = '${uuid(104)}'`],
  ['the call was sent before the one before it was settled', `call ${uuid(105)}`,
    `update call_sends set sent_at = farm_now() - interval '1 h' where call_id = '${uuid(105)}'`],
  ['the call is of another instance than its lane', `call ${uuid(106)}`,
    `update shopfloor_calls set instance = 'm' where id = '${uuid(106)}'`],
  ['NotifyStart comes before the attempt before it is closed', `call ${uuid(104)}, job 1`,
    `update shopfloor_calls set test_id = 't9' where id = '${uuid(102)}'`],
  ['the first call of an attempt is NotifyEnd, not NotifyStart', `call ${uuid(201)}, job 2`,
    `update shopfloor_calls set method = 'NotifyEnd' where id = '${uuid(201)}'`],
  ['UpdateTestResult comes after the closing call of its attempt', `call ${uuid(107)}, job 1`,
    `update lanes set next_position = 8 where device_id = 1;
     insert into shopfloor_calls (id, instance, device_id, position, job_id, lease_id, attempt, method, station, test_id, status)
     values ('${uuid(107)}', 'l', 1, 7, 1, '${uuid(12)}', 2, 'UpdateTestResult', 'FAT', 't3', 'PASSED')`],
  ['an attempt that has ended has no closing call', `lease ${uuid(12)}, job 1`,
    `update shopfloor_calls set method = 'UpdateTestResult', test_id = 't3', status = 'PASSED' where id = '${uuid(106)}'`],
  ['an attempt has more than one closing call', `lease ${uuid(12)}`,
    `update lanes set next_position = 8 where device_id = 1;
     insert into shopfloor_calls (id, instance, device_id, position, job_id, lease_id, attempt, method, station)
     values ('${uuid(107)}', 'l', 1, 7, 1, '${uuid(12)}', 2, 'NotifyEnd', 'FAT')`],
  ['an attempt that has not ended has a closing call', `lease ${uuid(21)}, job 2`,
    `update lanes set next_position = 3 where device_id = 2;
     insert into shopfloor_calls (id, instance, device_id, position, job_id, lease_id, attempt, method, station)
     values ('${uuid(202)}', 'l', 2, 2, 2, '${uuid(21)}', 1, 'NotifyEnd', 'RUNIN')`],
  ['calls are owed for an attempt that never started', `lease ${uuid(13)}, job 1`,
    `update shopfloor_calls set lease_id = '${uuid(13)}' where id = '${uuid(105)}'`],
  ['the call is DELIVERED and no send of it was answered well', `call ${uuid(105)}`,
    `update call_sends set outcome = 'fault' where call_id = '${uuid(105)}'`],
  ['the call is GATE_REFUSED and no send of it was answered with a fault', `call ${uuid(103)}`,
    `update call_sends set outcome = 'ambiguous' where call_id = '${uuid(103)}'`],
  ['the call was answered and is GATE_REFUSED', `call ${uuid(103)}`,
    `update call_sends set outcome = 'answered' where call_id = '${uuid(103)}'`],
  ['the call was sent again after it was answered', `call ${uuid(105)}`,
    `insert into call_sends (call_id, number, replica) values ('${uuid(105)}', 2, '${uuid(9)}')`],
  ['the call counts 2 sends and the journal has 1', `call ${uuid(105)}`,
    `update shopfloor_calls set sends = 2 where id = '${uuid(105)}'`],
  ['a send may have been seen and the call does not say so', `call ${uuid(103)}`,
    `update call_sends set outcome = 'ambiguous' where call_id = '${uuid(103)}'`],
  ['a later send began and the one before it has no outcome', `call ${uuid(106)}`,
    `insert into call_sends (call_id, number, replica) values ('${uuid(106)}', 1, '${uuid(9)}'), ('${uuid(106)}', 2, '${uuid(9)}')`],
  ['its call is not there, and was not dropped', `send 1 of call ${uuid(99)}`,
    `insert into call_sends (call_id, number, replica) values ('${uuid(99)}', 1, '${uuid(9)}')`],
  ['a serial is of another instance than its DUT', 'device 1, serials.serial_number SN1', `update device_serials set instance = 'm'`],
  ['there are 1 and the tally says 2', 'jobs LEASED of instance "l", RUNIN',
    `insert into tallies (family, instance, label, state, n) values ('job', 'l', 'RUNIN', 'LEASED', 1)`],
  ['there are 0 and the tally says 1', 'jobs QUEUED of instance "l", SMT',
    `insert into tallies (family, instance, label, state, n) values ('job', 'l', 'SMT', 'QUEUED', 1)`],
  ['the days say that 1 jobs were dropped and the tally says 2', 'history',
    `insert into dropped_days (history, day, rows, last_job_id) values ('finished_jobs', '2026-01-01', 1, 76);
     insert into tallies (family, instance, label, state, n) values ('dropped', 'l', 'FAT', 'FINISHED', 2)`],
];

test.each(violations)('finds: %s', async (words, what, plant) => {
  await owner.query(plant);
  expect((await runDoctor(owner)).map((finding) => ({ words: finding.words, what: finding.what }))).toContainEqual({
    words,
    what,
  });
});

test('every finding of the statement is planted here', async () => {
  const { readFile } = await import('node:fs/promises');
  const sql = await readFile(new URL('../../src/store/doctor.sql', import.meta.url), 'utf8');
  const parts = sql.slice(sql.indexOf('-- 1, 2: jobs')).split(/\nunion all\n/).length;
  expect(new Set(violations.map(([words]) => generic(words))).size).toBe(parts);
});

/** A part of the statement may word its finding by what it found. */
const generic = (words: string): string =>
  words
    .replaceAll(/\b(QUEUED|LEASED|FAILED|ACTIVE|CANCELLING|OWED|DEAD|DELIVERED|GATE_REFUSED)\b/g, 'STATE')
    .replaceAll(/\d+(, \d+)*/g, 'N')
    .replace(/the lane is( not)? blocked/, 'the lane is blocked or not')
    .replace(/answered (well|with a fault)/, 'answered so');

test('the schema forbids what doctor asks again about open leases', async () => {
  await expect(owner.query(lease(22, 2, 1, 'PENDING'))).rejects.toMatchObject({ code: '23505' });
});

test('gates may be asked, refused, overridden and closed in any number', async () => {
  await owner.query(`
    update lanes set next_position = 11 where device_id = 1;
    insert into shopfloor_calls (id, instance, device_id, position, job_id, attempt, method, station, test_id, status, gate)
    values ('${uuid(107)}', 'l', 1, 7, 4, 1, 'NotifyStart', 'GRT', null, null, true),
           ('${uuid(108)}', 'l', 1, 8, 4, 1, 'UpdateTestResult', 'GRT', 'GRT', 'FAILED', false),
           ('${uuid(109)}', 'l', 1, 9, 4, 1, 'NotifyEnd', 'GRT', null, null, false),
           ('${uuid(110)}', 'l', 1, 10, 4, 1, 'NotifyStart', 'GRT', null, null, true)`);
  expect(await runDoctor(owner)).toEqual([]);
});
