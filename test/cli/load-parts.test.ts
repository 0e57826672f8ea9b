/** The pure parts of `stationgrid load`: its schedules, its figures, its accounts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Booked, createAccount } from '../../src/cli/load/account.ts';
import { backoffMs } from '../../src/cli/load/backoff.ts';
import { createLatencies } from '../../src/cli/load/figures.ts';
import { inLanes } from '../../src/cli/load/in-lanes.ts';
import { type LoadOptions, planOf, warningsOf } from '../../src/cli/load/plan.ts';
import { createSeries } from '../../src/cli/load/series.ts';
import { arrivals, dueMs, jobsOf, shapes, type Timing } from '../../src/cli/load/shape.ts';
import { shownOf } from '../../src/cli/load/shown.ts';
import { createTurnstile } from '../../src/cli/load/turnstile.ts';
import { createRequests, isOurs, numberOf, workerOf } from '../../src/cli/load/work.ts';
import { Lease, LeaseState } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { StationWork } from '../../src/gen/stationgrid/v1/work.ts';

const timings: fc.Arbitrary<Timing> = fc
  .record({
    ratePerSecond: fc.double({ min: 0.5, max: 2_000, noNaN: true }),
    durationMs: fc.integer({ min: 2_000, max: 600_000 }),
    share: fc.double({ min: 0.02, max: 1, noNaN: true }),
  })
  .map(({ share, durationMs, ratePerSecond }) => ({ ratePerSecond, durationMs, periodMs: durationMs * share }));

const anyShape = fc.constantFrom(...shapes);
const anyShare = fc.double({ min: 0, max: 1, noNaN: true });

test('a schedule never goes back, and keeps within its duration', () => {
  fc.assert(
    fc.property(anyShape, timings, anyShare, (shape, timing, share) => {
      const jobs = jobsOf(shape, timing);
      const number = Math.floor(share * (jobs - 1));
      const [at, next] = [dueMs(shape, timing, number), dueMs(shape, timing, Math.min(jobs - 1, number + 1))];
      expect(dueMs(shape, timing, 0)).toBeCloseTo(0, 3);
      expect(next).toBeGreaterThanOrEqual(at);
      expect(at).toBeLessThanOrEqual(timing.durationMs);
    }),
  );
});

test('as many jobs are due by any moment as the shape says', () => {
  fc.assert(
    fc.property(anyShape, timings, anyShare, (shape, timing, share) => {
      const number = Math.floor(share * (jobsOf(shape, timing) - 1));
      const at = dueMs(shape, timing, number);
      // Just before it is due there are at most `number` jobs, just after more than `number - 1`.
      expect(arrivals(shape, timing, at + 0.01)).toBeGreaterThan(number - 0.1);
      if (at > 1) expect(arrivals(shape, timing, at - 0.01)).toBeLessThanOrEqual(number + 0.1);
    }),
  );
});

test('no shape but burst is ever faster than its rate', () => {
  const smooth = fc.constantFrom(...shapes.filter((shape) => shape !== 'burst'));
  fc.assert(
    fc.property(smooth, timings, anyShare, anyShare, (shape, timing, one, other) => {
      const [from, to] = [one, other].map((share) => share * timing.durationMs).sort((a, b) => a - b) as [
        number,
        number,
      ];
      const came = arrivals(shape, timing, to) - arrivals(shape, timing, from);
      expect(came).toBeGreaterThanOrEqual(-1e-6);
      expect(came).toBeLessThanOrEqual((timing.ratePerSecond * (to - from)) / 1000 + 1e-6);
    }),
  );
});

test('a burst is a period of jobs at once, at its beginning', () => {
  const timing = { ratePerSecond: 5, durationMs: 25_000, periodMs: 10_000 };
  const due = Array.from({ length: jobsOf('burst', timing) }, (_, number) => dueMs('burst', timing, number));
  const counts = [0, 10_000, 20_000].map((start) => due.filter((ms) => ms === start).length);
  expect(counts).toEqual([50, 50, 25]);
});

// prettier-ignore
test.each([
  ['steady', 300],
  ['ramp', 150],
  ['burst', 300],
  ['wave', 150],
] as const)('%s at 10 a second for 30 s is %i jobs', (shape, jobs) => {
  expect(jobsOf(shape, { ratePerSecond: 10, durationMs: 30_000, periodMs: 10_000 })).toBe(jobs);
});

test('percentiles are those of a sorted list, to three digits', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.01, max: 50_000, noNaN: true }), { minLength: 1, maxLength: 300 }),
      (all) => {
        const latencies = createLatencies();
        for (const ms of all) latencies.record(ms);
        const sorted = all.toSorted((a, b) => a - b);
        const rank = (percent: number): number => sorted[Math.max(1, Math.round((percent / 100) * sorted.length)) - 1]!;
        const { n, p50, p90, p99, max } = latencies.read();
        expect(n).toBe(all.length);
        for (const [read, exact] of [
          [p50, rank(50)],
          [p90, rank(90)],
          [p99, rank(99)],
          [max, sorted.at(-1)!],
        ] as const)
          expect(Math.abs(read! - exact)).toBeLessThanOrEqual(exact * 0.002 + 0.002);
      },
    ),
  );
});

test('nothing recorded has no percentiles', () => {
  expect(createLatencies().read()).toEqual({ n: 0, p50: null, p90: null, p99: null, p999: null, max: null });
});

test('a series has a row for every second, and loses nothing', () => {
  const moments = fc.array(
    fc.record({
      atMs: fc.integer({ min: 0, max: 20_000 }),
      what: fc.constantFrom('sent', 'enqueued', 'errors', 'finished'),
    }),
    { minLength: 1, maxLength: 100 },
  );
  fc.assert(
    fc.property(moments, (all) => {
      const series = createSeries();
      const inOrder = all.toSorted((a, b) => a.atMs - b.atMs);
      for (const { atMs, what } of inOrder) {
        if (what === 'finished') series.finish(atMs, 5);
        else series.count(what, atMs);
      }
      const rows = series.rows();
      expect(rows.map(({ second }) => second)).toEqual(rows.map((_, index) => index));
      for (const what of ['sent', 'enqueued', 'errors', 'finished'] as const)
        expect(rows.map((row) => row[what])).toEqual(
          rows.map(
            ({ second }) => all.filter((one) => one.what === what && Math.floor(one.atMs / 1000) === second).length,
          ),
        );
    }),
  );
});

/** What may become of a job; `says` is what it adds to the account. */
const fates = {
  finished: { acked: true, completions: 1, booked: { state: 'finished', attempts: 1 }, says: ['finished'] },
  'finished, its acknowledgement lost': {
    ...{ acked: true, completions: 0, booked: { state: 'finished', attempts: 1 }, says: ['finished'] },
  },
  repeated: { acked: true, completions: 2, booked: { state: 'finished', attempts: 2 }, says: ['finished', 'repeated'] },
  twice: { acked: true, completions: 2, booked: { state: 'finished', attempts: 1 }, says: ['finished', 'duplicates'] },
  cancelled: { acked: true, completions: 0, booked: { state: 'cancelled', attempts: 0 }, says: ['cancelled'] },
  failed: { acked: true, completions: 0, booked: { state: 'failed', attempts: 1 }, says: ['failed'] },
  waiting: { acked: true, completions: 0, booked: { state: 'open', attempts: 0 }, says: ['unfinished'] },
  vanished: { acked: true, completions: 0, booked: null, says: ['lost'] },
  forgotten: { acked: true, completions: 1, booked: { state: 'open', attempts: 1 }, says: ['lost'] },
  unanswered: { acked: false, completions: 1, booked: { state: 'finished', attempts: 1 }, says: ['unanswered'] },
  'never taken': { acked: false, completions: 0, booked: null, says: [] },
} as const satisfies Record<
  string,
  { acked: boolean; completions: number; booked: Omit<Booked, 'id'> | null; says: readonly string[] }
>;

test('every job is accounted for, however its answers come', () => {
  const run = fc.array(fc.record({ fate: fc.constantFrom(...Object.values(fates)), ackFirst: fc.boolean() }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(run, (jobs) => {
      const account = createAccount(jobs.length);
      jobs.forEach(({ fate, ackFirst }, number) => {
        if (fate.acked && ackFirst) account.enqueued(number, 1000 + number);
        for (let times = 0; times < fate.completions; times += 1) account.completed(number);
        if (fate.acked && !ackFirst) account.enqueued(number, 1000 + number);
      });
      const books = jobs.flatMap(({ fate }, number) =>
        fate.booked === null ? [] : [{ ...fate.booked, id: 1000 + number }],
      );
      const verdict: Readonly<Record<string, number>> = account.judge(books);
      const said = jobs.flatMap(({ fate }): readonly string[] => fate.says);
      for (const what of [
        'finished',
        'failed',
        'cancelled',
        'unfinished',
        'lost',
        'duplicates',
        'repeated',
        'unanswered',
      ])
        expect([what, verdict[what]]).toEqual([what, said.filter((one) => one === what).length]);
      expect(verdict['enqueued']).toBe(jobs.filter(({ fate }) => fate.acked).length);
      expect(account.outstanding()).toBe(jobs.filter(({ fate }) => fate.acked && fate.completions === 0).length);
    }),
  );
});

test('one id for two jobs, and two ids for one, are duplicates', () => {
  const account = createAccount(3);
  account.enqueued(0, 7);
  account.enqueued(1, 7);
  account.enqueued(2, 8);
  account.enqueued(2, 9);
  const books = [7, 8].map((id): Booked => ({ id, state: 'finished', attempts: 1 }));
  expect(account.judge(books).duplicates).toBe(2);
});

const options: LoadOptions = {
  ...{ server: '127.0.0.1:50051', instance: 'load', output: 'table' },
  ...{ bots: 100, rate: 20, duration: 30_000, shape: 'steady', period: 10_000, tests: 3, runMs: 1000 },
  ...{ results: 'live', station: 'LOAD', settle: 60_000 },
};

// prettier-ignore
test.each([
  ['more jobs than it keeps account of', { rate: 100_000, duration: 3_600_000 }, '360000000 jobs'],
  ['more bots than the connections carry', { bots: 5000, connections: 2 }, '5000 bots on 2 connections'],
  ['fewer connections than addresses', { server: 'a:1,b:2', connections: 1 }, '2 addresses'],
  ['a period longer than the run', { shape: 'burst', period: 60_000 }, '--period 60 s'],
] as const)('refuses %s', (_, changed, words) => {
  expect(() => planOf({ ...options, ...changed }, 'r')).toThrow(words);
});

test('has connections for its bots, and one at least for each address', () => {
  expect(planOf({ ...options, bots: 1000 }, 'r').connections).toBe(4);
  expect(planOf({ ...options, bots: 1, server: 'a:1,b:2,c:3' }, 'r').connections).toBe(3);
});

test('says when the bots cannot keep up whatever the farm does', () => {
  expect(warningsOf(planOf({ ...options, bots: 10, rate: 9, runMs: 1000 }, 'r'))).toEqual([]);
  expect(warningsOf(planOf({ ...options, bots: 10, rate: 11, runMs: 1000 }, 'r'))[0]).toContain(
    'at most 10.0 jobs a second',
  );
});

test('a bot knows the jobs of its own run, by their numbers, and no others', () => {
  const request = createRequests(planOf(options, 'run-a'))(17);
  const task = request.job?.task;
  if (task?.$case !== 'work') throw new Error('the job has no work');
  const payload = {
    typeUrl: 'type.googleapis.com/stationgrid.v1.StationWork',
    value: Buffer.from(StationWork.encode(task.value).finish()),
  };
  expect(numberOf(payload, 'run-a')).toBe(17);
  expect(numberOf(payload, 'run-b')).toBeNull();
  expect(numberOf({ ...payload, typeUrl: 'type.example.com/Other' }, 'run-a')).toBeNull();
  expect(numberOf(undefined, 'run-a')).toBeNull();
  expect([isOurs(request.job!, 'run-a'), isOurs(request.job!, 'run-b'), isOurs(request.job!, null)]).toEqual([
    true,
    false,
    true,
  ]);
  expect(isOurs({ constraints: [{ key: 'pool', allowedValues: ['run-a'] }] }, null)).toBe(false);
  const lease = (id: string, state: LeaseState) => Lease.fromPartial({ id, state, payload });
  expect(shownOf([lease('a', LeaseState.ACTIVE), lease('b', LeaseState.PENDING)], 'run-b').offer).toEqual({
    leaseId: 'b',
    number: null,
  });
});

test('a bot has a DUT only when it is asked for', () => {
  const keys = (duts: boolean) => workerOf({ run: 'r', duts }, 'load-r-1').devices[0]?.properties.map(({ key }) => key);
  expect(keys(false)).toEqual(['load']);
  expect(keys(true)).toEqual(['load', 'serials.load_serial_number']);
});

test('tries again later and later, and never in step', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), anyShare, (failures, chance) => {
      const ms = backoffMs(failures, () => chance);
      expect(ms).toBeGreaterThanOrEqual(200);
      expect(ms).toBeLessThanOrEqual(10_000);
      expect(backoffMs(failures + 1, () => chance)).toBeGreaterThanOrEqual(ms);
    }),
  );
});

test('does each thing once, so many at a time', async () => {
  let [open, most] = [0, 0];
  const done: number[] = [];
  const all = Array.from({ length: 20 }, (_, index) => index);
  await inLanes(all, 3, async (one) => {
    most = Math.max(most, (open += 1));
    await Promise.resolve();
    done.push(one);
    open -= 1;
  });
  expect(done.toSorted((a, b) => a - b)).toEqual(all);
  expect(most).toBe(3);
});

test('a turnstile lets so many through at a time, in the order of their coming, also past one that failed', async () => {
  const turnstile = createTurnstile(2);
  let [inside, most] = [0, 0];
  const passed: number[] = [];
  const pass = (number: number) =>
    turnstile(async () => {
      most = Math.max(most, (inside += 1));
      await Promise.resolve();
      inside -= 1;
      passed.push(number);
      if (number === 3) throw new Error('tripped');
    });
  const all = Array.from({ length: 10 }, (_, number) => number);
  const ends = await Promise.allSettled(all.map(pass));
  expect(ends.map(({ status }) => status === 'rejected')).toEqual(all.map((number) => number === 3));
  expect({ most, passed }).toEqual({ most: 2, passed: all });
});

test('begins nothing more once something has failed', async () => {
  const begun: number[] = [];
  const work = inLanes([1, 2, 3, 4, 5, 6], 2, async (one) => {
    begun.push(one);
    await Promise.resolve();
    if (one === 1) throw new Error('no');
  });
  await expect(work).rejects.toThrow('no');
  expect(begun.length).toBeLessThan(6);
});
