import { expect, test } from 'vitest';
import type { Handlers } from '../../bot/handler.ts';
import { defaultLimits } from '../../bot/limits.ts';
import { createReader } from '../../bot/read-work.ts';
import { runStation } from '../../bot/run-station.ts';
import { simulate } from '../../bot/simulated-station.ts';
import { StationWork, TestStatus, type TestResult } from '../../src/gen/stationgrid/v1/work.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { pending } from './scripted-farm.ts';

type Args = Record<string, unknown>;
const work = (tests: { testId: string; handler: string; args?: Args }[], attempt = 1): StationWork =>
  StationWork.create({
    ...{ station: 'FAT', attempt, serials: { 'serials.mlb_serial_number': 'M1' } },
    tests: tests.map(({ testId, handler, args }) => ({ testId, run: { $case: 'handler', value: handler }, args })),
  });

async function run(station: StationWork, handlers: Handlers, clock = createManualClock()): Promise<TestResult[]> {
  const results: TestResult[] = [];
  const signal = new AbortController().signal;
  await runStation({ work: station, handlers, signal, clock, limits: defaultLimits, onResult: (r) => results.push(r) });
  return results;
}

test('runs the tests in order, all of them, whatever they say', async () => {
  const order: string[] = [];
  const handlers: Handlers = {
    passes: async ({ test: { testId } }) => void order.push(testId),
    throws: async ({ test: { testId } }) => {
      order.push(testId);
      throw new Error('no signal');
    },
    says: async () => ({ status: 'FAILED_AND_WAIVED', errorMessage: 'scratched' }),
    skips: async () => ({ status: 'SKIPPED' }),
  };
  const tests = ['throws', 'passes', 'says', 'skips'].map((handler) => ({ testId: `FAT.${handler}`, handler }));
  const results = await run(work(tests), handlers);
  expect(order).toEqual(['FAT.throws', 'FAT.passes']);
  expect(results.map(({ status, errorMessage }) => [status, errorMessage])).toEqual([
    [TestStatus.FAILED, 'no signal'],
    [TestStatus.PASSED, ''],
    [TestStatus.FAILED_AND_WAIVED, 'scratched'],
    [TestStatus.SKIPPED, ''],
  ]);
});

test("a handler's measurement outside its limits fails its test, and a handler knows its unit", async () => {
  const handlers: Handlers = {
    probe: async ({ measure, serials, log }) => {
      log(`unit ${serials['serials.mlb_serial_number'] ?? '?'}`);
      measure('volt', Number.NaN, { unit: 'V' });
      measure('amp', 0, { min: 1 });
    },
  };
  const [result] = await run(work([{ testId: 'FAT.Probe', handler: 'probe' }]), handlers);
  expect(result).toMatchObject({
    status: TestStatus.FAILED,
    errorMessage: 'volt NaN V is no number; amp 0 is below its minimum 1',
    logsTail: 'unit M1\n',
  });
});

test('says when a test began and how long it took', async () => {
  const clock = createManualClock(new Date('2026-03-01T00:00:00.250Z'));
  const handlers: Handlers = { waits: ({ signal }) => clock.sleep(1_500, signal) };
  const running = run(work([{ testId: 'T', handler: 'waits' }]), handlers, clock);
  await clock.advance(1_500);
  const [result] = await running;
  expect(result?.startTime).toEqual({ seconds: BigInt(Date.parse('2026-03-01') / 1000), nanos: 250_000_000 });
  expect(result?.duration).toEqual({ seconds: 1n, nanos: 500_000_000 });
});

test('a simulated station repeats itself: by seed, unit, test and attempt', async () => {
  const measurements = [{ name: 'volt', unit: 'V', min: 1, max: 2 }];
  const tests = Array.from({ length: 40 }, (_, n) => ({
    ...{ testId: `T${n}`, handler: 'simulate', args: { failRate: 0.5, measurements } },
  }));
  const look = async (seed: string, attempt: number) =>
    (await run(work(tests, attempt), { simulate: simulate(seed) })).map(({ status, measurements: [m] }) => [status, m]);
  const first = await look('7', 1);
  expect(await look('7', 1)).toEqual(first);
  expect(await look('7', 2)).not.toEqual(first);
  expect(await look('8', 1)).not.toEqual(first);
  expect(new Set(first.map(([status]) => status))).toEqual(new Set([TestStatus.PASSED, TestStatus.FAILED]));
});

test('a simulated test takes its time and its forced outcome', async () => {
  const clock = createManualClock();
  const args = { durationMs: 300, outcome: 'SKIPPED' };
  const running = run(work([{ testId: 'T', handler: 'simulate', args }]), { simulate: simulate('7') }, clock);
  await clock.untilSleepOf(300);
  await clock.advance(300);
  expect((await running)[0]?.status).toBe(TestStatus.SKIPPED);
});

const read = createReader({ handlers: { probe: async () => undefined }, stations: ['FAT'] });
const station = (more: object = {}) => pending('L', { station: 'FAT', ...more }).payload;
const one = (how: object | undefined) => station({ tests: [{ testId: 'T', run: how }] });

// prettier-ignore
test.each<[string, ReturnType<typeof station>, string, number | null]>([
  ['station work',             one({ $case: 'handler', value: 'probe' }),                '',      null],
  ['work without tests',       station(),                                                '',      null],
  ['no payload',               undefined,                                                '',      3],
  ['another type',             { typeUrl: 'x/y.Z', value: Buffer.alloc(0) },             '',      3],
  ['bytes that are no work',   { typeUrl: 'x/stationgrid.v1.StationWork', value: Buffer.from([10, 200]) }, '', 3],
  ['an admin task',            station(),                                                'admin', 3],
  ['a test that names no run', one(undefined),                                           '',      3],
  ['a command with no program', one({ $case: 'command', value: { argv: [] } }),          '',      3],
  ['a handler it lacks',       one({ $case: 'handler', value: 'toString' }),             '',      9],
  ['a station not its own',    station({ station: 'GRT' }),                              '',      9],
])('reads or refuses %s', (_, payload, assignment, code) => {
  const answer = read(payload, assignment);
  expect('code' in answer ? answer.code : null).toBe(code);
});
