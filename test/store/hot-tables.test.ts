/** However many days of history there are, the farm at work neither reads nor locks one: told by the plans of its statements. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { historyTables } from '../../src/core/retention.ts';
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { claimCalls } from '../../src/farm/claim-calls.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { createCallRecorder } from '../../src/farm/record-call.ts';
import { sweepJobs, sweepLeases, sweepSessions } from '../../src/farm/sweep.ts';
import { tickOnce } from '../../src/farm/tick.ts';
import { readGauges } from '../../src/store/gauges.ts';
import { createPool } from '../../src/store/pool.ts';
import { active, board, connect, done, only, openTestHome } from '../support/bot-calls.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { createWakeHub, testLine } from '../support/farm.ts';
import { jobRequest, mlb } from '../support/job-requests.ts';
import { createManualClock } from '../support/manual-clock.ts';

const NOW = new Date('2026-03-01T12:00:00Z');
const DAYS = 12;

let database: FreshDatabase;
let pool: pg.Pool;
const asked = new Set<string>();

beforeAll(async () => {
  database = await freshDatabase();
  await database.setNow(NOW);
  for (const table of historyTables)
    for (let day = 0; day < DAYS; day += 1)
      await database.pool.query(`select make_history_day($1, date '2026-02-20' + $2::integer)`, [table, day]);
  pool = createPool(database.url);
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...words: unknown[]) => unknown;
    client.query = ((text: unknown, values?: unknown, ...more: unknown[]) => {
      if (typeof text === 'string' && Array.isArray(values)) asked.add(text);
      return query(text, values, ...more);
    }) as typeof client.query;
  });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

type PlanNode = { readonly 'Relation Name'?: string; readonly Plans?: readonly PlanNode[] };

const relationsOf = (node: PlanNode): string[] => [
  ...(node['Relation Name'] === undefined ? [] : [node['Relation Name']]),
  ...(node.Plans ?? []).flatMap(relationsOf),
];

/** As PostgreSQL plans it once for all values, and then keeps the plan. */
const relationsPlanned = async (text: string): Promise<string[]> => {
  const { rows } = await pool.query<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
    `explain (generic_plan, format json) ${text}`,
  );
  return relationsOf(rows[0]!['QUERY PLAN'][0].Plan);
};

const isHistory = (relation: string): boolean => /_(\d{8}|other)$/.test(relation);

it('is so of enqueue, grant, start, completion, cancel, calls, tick, sweeps and gauges', async () => {
  const shopfloorUrl = 'http://127.0.0.1:9/';
  const parts = { clock: createManualClock(NOW), hub: createWakeHub(), lines: [testLine({ shopfloorUrl })] };
  const home = openTestHome({ ...parts, database: { ...database, pool } });
  for (const dut of ['A', 'B']) {
    const request = { serials: mlb(dut), requestId: randomUUID(), route: 'line' };
    for (const station of ['FAT', 'RUNIN'])
      await enqueueJob(home, jobRequest({ ...request, requestId: randomUUID(), station }));
    const bot = await connect(home, dut, { duts: [board(dut)] });
    const { id } = only(bot.created);
    await bot.poll([active(id)]);
    const [next] = (await bot.poll([done(id)])).leases;
    await bot.poll([active(next!.id)]);
    await cancelJob(home, { instance: 'line-1', id: next!.jobId, reason: '' });
    await tickOnce(home, { lastMs: null });
    for (const sweep of [sweepSessions, sweepLeases, sweepJobs]) await sweep(home);
  }
  const record = createCallRecorder(home, ({ method }) => method);
  const reply = { deviceData: {}, dropped: [], action: null, answer: null };
  for (const call of await claimCalls(
    home,
    ({ method }) => method,
    () => 2,
  ))
    await record(
      { call, outcome: 'answered', code: null, words: null, upForMs: Infinity, goesOn: true, reply },
      new AbortController().signal,
    );
  await readGauges(pool, ['line-1']);
  await home.settled();
  const planned = await Promise.all(
    [...asked].map(async (text) => ({ text, history: (await relationsPlanned(text)).filter(isHistory) })),
  );
  expect(planned.length).toBeGreaterThan(40);
  expect(planned.filter(({ history }) => history.length > 0)).toEqual([]);
});

it('is told of a statement that does look there', async () => {
  expect((await relationsPlanned('select state from jobs where id = $1')).filter(isHistory)).toHaveLength(DAYS + 1);
});
