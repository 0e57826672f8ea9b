import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { callOfEvent } from '../../src/core/shopfloor-call.ts';
import { oweCalls } from '../../src/store/owed-calls.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { insertUnit, INSTANCE } from '../support/rows.ts';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

const LANES = 3;
/** A writer's transactions: calls for these lanes in this order, and whether it thinks better of it at the end. */
const transactions = fc.array(
  fc.record({ lanes: fc.array(fc.nat(LANES - 1), { minLength: 1, maxLength: 6 }), commits: fc.boolean() }),
  { maxLength: 5 },
);

it('positions are dense and in the order of commits, however many write to the same lanes at once and however many give up', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(transactions, { minLength: 2, maxLength: 4 }), async (writers) => {
      run += 1;
      const devices = await Promise.all(
        Array.from({ length: LANES }, (_, n) => insertUnit(database.pool, `${String(run)}-${String(n)}`)),
      );
      /** The calls of each commit, in the order in which the commits were done. */
      const committed: { id: string; deviceId: number }[][] = [];
      await Promise.all(
        writers.map(async (todo) => {
          for (const { lanes, commits } of todo) {
            const calls = lanes.map((lane) => ({ id: crypto.randomUUID(), deviceId: devices[lane]! }));
            const client = await database.pool.connect();
            try {
              await client.query('begin');
              const about = { instance: INSTANCE, jobId: null, leaseId: null, attempt: 1 };
              await oweCalls(
                client,
                calls.map((call) => ({ ...callOfEvent('', 'Finalize'), ...call, ...about })),
              );
              // While the lanes are still locked, nobody else can be between this note and the commit.
              if (commits) committed.push(calls);
              await client.query(commits ? 'commit' : 'rollback');
            } finally {
              client.release();
            }
          }
        }),
      );
      const { rows } = await database.pool.query<{ id: string; deviceId: number; position: number }>(
        `select id, device_id as "deviceId", position from shopfloor_calls
         where device_id = any($1::bigint[]) order by device_id, position`,
        [devices],
      );
      for (const deviceId of devices) {
        const lane = rows.filter((row) => row.deviceId === deviceId);
        const first = lane[0]?.position ?? 0;
        expect(lane.map(({ position }) => position)).toEqual(lane.map((_, index) => first + index));
        expect(lane.map(({ id }) => id)).toEqual(
          committed
            .flat()
            .filter((call) => call.deviceId === deviceId)
            .map(({ id }) => id),
        );
      }
    }),
    { numRuns: 40 },
  );
  expect(await database.doctor()).toEqual([]);
});
