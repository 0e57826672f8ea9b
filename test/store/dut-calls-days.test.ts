/** A DUT's own call looks into the few days that it may be a repeat of, however many are kept: told by what it has locked. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readCallFate, readToldBefore } from '../../src/store/external-jobs.ts';
import { BEGIN } from '../../src/store/transaction.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { insertUnit } from '../support/rows.ts';

const NOW = new Date('2026-03-01T12:00:00Z');
const DAYS_KEPT = 40;
const DAYS_AHEAD = 3;
const SINCE = new Date('2026-02-26T12:00:00Z');
/** From then to today, those ahead, and the one for what lies in none. */
const DAYS_WANTED = 4 + DAYS_AHEAD + 1;

let database: FreshDatabase;
let deviceId: number;
let session: pg.PoolClient;

beforeAll(async () => {
  database = await freshDatabase();
  await database.setNow(NOW);
  for (let back = -DAYS_AHEAD; back < DAYS_KEPT; back += 1)
    await database.pool.query(`select make_history_day('settled_calls', date '2026-03-01' - $1::integer)`, [back]);
  deviceId = await insertUnit(database.pool, 'MLB-1');
  await database.pool.query('update lanes set next_position = 4, head_position = 4 where device_id = $1', [deviceId]);
  session = await database.pool.connect();
});
afterAll(async () => {
  session.release();
  await database.drop();
});

/** The DUT says `GoodBye`, which is settled then. Returns the id of the call. */
const said = async (position: number, settledAt: string): Promise<string> => {
  const id = randomUUID();
  await database.pool.query(
    `insert into shopfloor_calls (id, instance, device_id, position, attempt, method, station, event, state, said, body, sends, owed_at, settled_at)
     select $1, instance, id, $3, 0, 'NotifyEvent', '', 'GoodBye', 'DELIVERED', '{}', 'x', 1, $4, $4 from devices where id = $2`,
    [id, deviceId, position, settledAt],
  );
  return id;
};

const call = {
  ...({ method: 'NotifyEvent', station: '', event: 'GoodBye', testId: null, status: null, details: null } as const),
  ...{ jobId: null, leaseId: null, attempt: 0, gate: false },
};

/** Its answer, and the days of history that its transaction has locked; as often as makes a connection keep its plan. */
const asked = async <T>(
  begin: string,
  question: () => Promise<T>,
): Promise<{ readonly answer: T; readonly days: number }> => {
  let last: { readonly answer: T; readonly days: number } | null = null;
  for (let times = 0; times < 8; times += 1) {
    await session.query(begin);
    const answer = await question();
    const { rows } = await session.query<{ days: number }>(
      `select count(distinct relation)::integer as days from pg_locks
       where pid = pg_backend_pid() and relation::regclass::text ~ '^settled_calls_([0-9]{8}|other)$'`,
    );
    await session.query('commit');
    last = { answer, days: rows[0]!.days };
  }
  return last!;
};

it('what the DUT said before is found on the days that are remembered, and looked for on no other', async () => {
  await said(1, '2026-02-20T12:00:00Z');
  const before = await asked(BEGIN, () => readToldBefore(session, { deviceId, call, since: SINCE }));
  expect(before).toEqual({ answer: null, days: DAYS_WANTED });
  const callId = await said(2, '2026-02-27T12:00:00Z');
  const after = await asked(BEGIN, () => readToldBefore(session, { deviceId, call, since: SINCE }));
  expect(after).toMatchObject({ answer: { callId, saysTheSame: true, isSettled: true }, days: DAYS_WANTED });
});

it('what follows in that transaction is planned for all values again', async () => {
  await session.query(BEGIN);
  await readToldBefore(session, { deviceId, call, since: SINCE });
  const { rows } = await session.query('show plan_cache_mode');
  expect(rows).toEqual([{ plan_cache_mode: 'force_generic_plan' }]);
  await session.query('commit');
});

it('the fate of a call is read where it waits, and then on the days on which it may have been settled', async () => {
  const id = await said(3, '2026-02-28T12:00:00Z');
  const settled = await asked('begin', () => readCallFate(session, { id, since: SINCE }));
  expect(settled).toMatchObject({ answer: { state: 'DELIVERED', isBlocked: false }, days: DAYS_WANTED });
  await database.pool.query(`update shopfloor_calls set state = 'OWED', settled_at = null where id = $1`, [id]);
  const waiting = await asked('begin', () => readCallFate(session, { id, since: SINCE }));
  expect(waiting).toMatchObject({ answer: { state: 'OWED' }, days: 0 });
});
