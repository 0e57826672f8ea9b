/** What a grant and a completion read does not grow with what waits: told by the rows that PostgreSQL looked at, not by time. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import pg from 'pg';
import { type JobRow, lockCandidates, lockJobs, updateJobs } from '../../src/store/jobs.ts';
import { createPool, POOL_LIMITS } from '../../src/store/pool.ts';
import { nameOf } from '../../src/store/prepared.ts';
import { inTransaction, type Queryable } from '../../src/store/transaction.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { insertJob, insertUnit } from '../support/rows.ts';

const WAITING = 20_000;
const WANTED = 5;
/** Of any one step of a plan: what is taken, what is looked at besides, and some room. */
const ROWS_MAX = 100;

let database: FreshDatabase;
let pool: pg.Pool;
let job: JobRow;

/** As a farm's connection asks it, over and over: by the plan that it has made its mind up for. */
const SETTLED_RUNS = 8;

beforeAll(async () => {
  database = await freshDatabase();
  pool = createPool(database.url, { ...POOL_LIMITS, connectionsMax: 1 });
  const id = await insertJob(pool, { deviceId: await insertUnit(pool, 'MLB-1'), station: 'FAT' });
  [job] = (await inTransaction({ pool, ...seams }, (db) => lockJobs(db, { jobIds: [id], sessionNames: [] }))) as [
    JobRow,
  ];
  for (let run = 0; run < SETTLED_RUNS; run += 1)
    for (const [, question] of questions) await inTransaction({ pool, ...seams }, question);
  // Nobody analyses what came since: a burst of jobs does not wait for that.
  await database.pool.query(
    `insert into jobs (instance, request_id, state, station, work, requirement_id, attempts_max, queued_at)
     select instance, gen_random_uuid()::text, state, station, work, requirement_id, attempts_max, queued_at
     from jobs, generate_series(1, $2) where id = $1`,
    [id, WAITING],
  );
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const seams = { random: () => 0, sleep: () => Promise.resolve() };

const questions: readonly (readonly [what: string, question: (db: Queryable) => Promise<unknown>])[] = [
  [
    'the heads of a class',
    (db) =>
      lockCandidates(db, {
        classes: [{ requirementId: job.requirementId, wanted: WANTED }],
        deviceIds: [],
        bots: [],
      }),
  ],
  ['the jobs that sessions hold', (db) => lockJobs(db, { jobIds: [job.id], sessionNames: ['line-1/nobody'] })],
  ['a job that is written back', (db) => updateJobs(db, [job])],
];

type PlanNode = {
  readonly 'Node Type': string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
};

/** The rows that each step of the plan met, for every statement that the question asks. */
const rowsMet = async (question: (db: Queryable) => Promise<unknown>): Promise<readonly number[]> => {
  const asked: (readonly [text: string, values: unknown[]])[] = [];
  await inTransaction({ pool, ...seams }, (db) =>
    question({
      query: (text: string, values: unknown[]) => {
        asked.push([text, values]);
        return db.query(text, values);
      },
    } as unknown as Queryable),
  );
  const plans = await Promise.all(
    asked.map(async ([text, values]) => {
      const { rows } = await inTransaction({ pool, ...seams }, (db) =>
        db.query<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
          `explain (analyze, timing off, format json) execute "${nameOf(text)}"(${values.map(literal).join(', ')})`,
        ),
      );
      return rows[0]!['QUERY PLAN'][0].Plan;
    }),
  );
  return plans.flatMap(metBy);
};

const literal = (value: unknown): string =>
  pg.escapeLiteral(Array.isArray(value) ? `{${value.map((each) => JSON.stringify(each)).join(',')}}` : String(value));

const metBy = (node: PlanNode): number[] => [
  (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'],
  ...(node.Plans ?? []).flatMap(metBy),
];

it.each(questions)('is so of %s', async (_what, question) => {
  const met = await rowsMet(question);
  expect(met.length).toBeGreaterThan(1);
  expect(Math.max(...met)).toBeLessThan(ROWS_MAX);
});
