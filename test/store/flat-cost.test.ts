/** What a grant and a completion read does not grow with what waits: told by the rows that PostgreSQL looked at, not by time. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { lockCandidates, lockJobs } from '../../src/store/jobs.ts';
import { inTransaction, type Queryable } from '../../src/store/transaction.ts';
import { freshDatabase, type FreshDatabase } from '../support/database.ts';
import { insertJob, insertUnit } from '../support/rows.ts';

const WAITING = 20_000;
const WANTED = 5;
/** Of any one step of a plan: what is taken, what is looked at besides, and some room. */
const ROWS_MAX = 100;

let database: FreshDatabase;
let pattern: { readonly id: number; readonly requirementId: number };

beforeAll(async () => {
  database = await freshDatabase();
  const { pool } = database;
  const id = await insertJob(pool, { deviceId: await insertUnit(pool, 'MLB-1'), station: 'FAT' });
  const { rows } = await pool.query<{ requirementId: number }>(
    `insert into jobs (instance, request_id, state, station, work, requirement_id, attempts_max, queued_at)
     select instance, gen_random_uuid()::text, state, station, work, requirement_id, attempts_max, queued_at
     from jobs, generate_series(1, $2) where id = $1 returning requirement_id as "requirementId"`,
    [id, WAITING],
  );
  pattern = { id, requirementId: rows[0]!.requirementId };
  await pool.query('analyze jobs');
});
afterAll(() => database.drop());

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
  await inTransaction({ pool: database.pool, random: () => 0, sleep: () => Promise.resolve() }, (db) =>
    question({
      query: (text: string, values: unknown[]) => {
        asked.push([text, values]);
        return db.query(text, values);
      },
    } as unknown as Queryable),
  );
  const plans = await Promise.all(
    asked.map(async ([text, values]) => {
      const { rows } = await database.pool.query<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
        `explain (analyze, timing off, format json) ${text}`,
        values,
      );
      return rows[0]!['QUERY PLAN'][0].Plan;
    }),
  );
  return plans.flatMap(metBy);
};

const metBy = (node: PlanNode): number[] => [
  (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'],
  ...(node.Plans ?? []).flatMap(metBy),
];

it('is so of the heads of a class', async () => {
  const classes = [{ requirementId: pattern.requirementId, wanted: WANTED }];
  const met = await rowsMet((db) => lockCandidates(db, { classes, deviceIds: [], bots: [] }));
  expect(met.length).toBeGreaterThan(WANTED);
  expect(Math.max(...met)).toBeLessThan(ROWS_MAX);
});

it('is so of the jobs that sessions hold', async () => {
  const met = await rowsMet((db) => lockJobs(db, { jobIds: [pattern.id], sessionNames: ['line-1/nobody'] }));
  expect(met.length).toBeGreaterThan(1);
  expect(Math.max(...met)).toBeLessThan(ROWS_MAX);
});
