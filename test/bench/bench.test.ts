/** That the bench works, not that the farm is fast: whatever this machine is doing now, a measure ends with a verdict. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchEnqueueJobsRequest } from '../../src/gen/stationgrid/v1/jobs.ts';
import { UPDATE } from './bots.ts';
import { openConnection } from './connection.ts';
import { measures } from './list.ts';
import { measure as enqueueToLease } from './measures/05-enqueue-to-lease.ts';
import { type BenchSite, openBenchSite } from './site.ts';

/** Some hundred jobs, one after the other, on a machine that may have other things to do. */
const PATIENCE_MS = 300_000;

let site: BenchSite;
beforeAll(async () => {
  site = await openBenchSite();
});
afterAll(() => site.close());

test('every row of the table has its measure, once and in order', () => {
  expect(measures.map(({ id }) => id)).toEqual(Array.from({ length: 23 }, (_, at) => at + 1));
});

test(
  'a measure ends with figures and a verdict',
  async () => {
    const said: string[] = [];
    const reading = await enqueueToLease.run({ quick: true, pairs: 1, say: (words) => said.push(words), site });
    expect(said).not.toEqual([]);
    expect(reading.ratio).toBeGreaterThan(0);
    expect(reading.more?.['p99Ratio']).toBeGreaterThan(0);
    expect(reading).toMatchObject({ n: 1, must: 'p50 ≤ 2, p99 ≤ 3' });
    expect(['pass', 'miss', 'noisy']).toContain(reading.verdict);
  },
  PATIENCE_MS,
);

test('a call that the server refuses fails, and the connection goes on', async () => {
  const echo = await site.echo();
  const connection = await openConnection(echo.address);
  const noSuchMessage = BatchEnqueueJobsRequest.encode({ requests: [] }).finish();
  expect(await connection.ask(UPDATE, noSuchMessage)).toHaveLength(0);
  await expect(connection.ask(UPDATE, Buffer.from([0xff]))).rejects.toThrow('a call failed');
  expect(await connection.ask(UPDATE, noSuchMessage)).toHaveLength(0);
  connection.close();
  await echo.close();
});

test('a call under way fails with its connection', async () => {
  const echo = await site.echo({ holds: true });
  const connection = await openConnection(echo.address);
  const held = expect(connection.ask(UPDATE, Buffer.alloc(0))).rejects.toThrow('a call failed');
  await echo.close();
  await held;
  expect(connection.isLeaving()).toBe(true);
});
