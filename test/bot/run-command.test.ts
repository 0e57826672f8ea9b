import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { defaultLimits } from '../../bot/limits.ts';
import { machine } from '../../bot/machine.ts';
import { runStation } from '../../bot/run-station.ts';
import {
  StationWork,
  TestStatus,
  type Command,
  type DeepPartial,
  type TestResult,
} from '../../src/gen/stationgrid/v1/work.ts';
import { createManualClock } from '../support/manual-clock.ts';

const folder = mkdtempSync(join(tmpdir(), 'stationgrid-bot-'));
afterAll(() => rmSync(folder, { recursive: true }));

const work = (command: DeepPartial<Command>, more: DeepPartial<StationWork['tests'][number]> = {}) =>
  StationWork.create({
    station: 'SMT',
    serials: { 'serials.mlb_serial_number': 'M1' },
    deviceData: { 'factory.line': 'A' },
    tests: [
      {
        testId: 'SMT.Probe',
        run: { $case: 'command', value: { workingDirectory: folder, ...command } },
        ...more,
      },
    ],
  });
const shell = (script: string) => work({ argv: ['/bin/sh', '-c', script] });

async function run(station: StationWork, signal = new AbortController().signal, clock = machine.clock) {
  const results: TestResult[] = [];
  const onResult = (result: TestResult): void => void results.push(result);
  const outcome = await runStation({ work: station, handlers: {}, signal, clock, limits: defaultLimits, onResult });
  return { outcome, results, result: results[0]! };
}

// prettier-ignore
test.each<[string, TestStatus, string]>([
  ['exit 0',                                TestStatus.PASSED,  ''],
  ['exit 77',                               TestStatus.SKIPPED, ''],
  ['exit 3',                                TestStatus.FAILED,  'exit code 3'],
  ['echo first >&2; echo no camera >&2; exit 1', TestStatus.FAILED, 'no camera (exit code 1)'],
  ['kill -9 $$',                            TestStatus.FAILED,  'ended by SIGKILL'],
])('%s', async (script, status, errorMessage) => {
  const { result } = await run(shell(script));
  expect(result).toMatchObject({ testId: 'SMT.Probe', status, errorMessage });
});

test('runs no shell: what looks like one is an argument', async () => {
  const { result } = await run(work({ argv: ['/bin/echo', '$HOME; exit 1'] }));
  expect(result).toMatchObject({ status: TestStatus.PASSED, logsTail: '$HOME; exit 1\n' });
});

test('tells the command what it runs on, beside its own environment', async () => {
  const names = ['TEST_ID', 'STATION', 'TEST_ARGS', 'DEVICE_DATA', 'SERIALS'].map((name) => `STATIONGRID_${name}`);
  const script = names.map((name) => `echo "$${name}"`).join('; ');
  const station = work({ argv: ['/bin/sh', '-c', `${script}; echo $OWN`], env: { OWN: 'mine' } }, { args: { n: 1 } });
  const { result } = await run(station);
  expect(result.logsTail.split('\n')).toEqual([
    'SMT.Probe',
    'SMT',
    '{"n":1}',
    '{"factory.line":"A"}',
    '{"serials.mlb_serial_number":"M1"}',
    'mine',
    '',
  ]);
});

test('reads measurements from standard output and judges them: one outside its limits fails the test', async () => {
  const lines = [
    { measurement: 'volt', value: 1.5, unit: 'V', min: 1, max: 2 },
    { measurement: 'amp', value: 3, unit: 'A', max: 2 },
    { measurement: 'firmware', value: 'v7' },
  ];
  const { result } = await run(shell(lines.map((line) => `echo '${JSON.stringify(line)}'`).join('; ')));
  expect(result).toMatchObject({ status: TestStatus.FAILED, errorMessage: 'amp 3 A is above its maximum 2' });
  expect(result.measurements).toEqual([
    { name: 'volt', value: { $case: 'number', value: 1.5 }, unit: 'V', min: 1, max: 2, verdict: TestStatus.PASSED },
    {
      name: 'amp',
      value: { $case: 'number', value: 3 },
      unit: 'A',
      min: undefined,
      max: 2,
      verdict: TestStatus.FAILED,
    },
    { name: 'firmware', value: { $case: 'text', value: 'v7' }, unit: '', verdict: TestStatus.PASSED },
  ]);
});

test('lines that are not quite measurements are log, and nothing more', async () => {
  const { result } = await run(shell(`echo '{"measurement":1,"value":2}'; echo '{"measurement"'; echo '[]'`));
  expect(result).toMatchObject({ status: TestStatus.PASSED, measurements: [] });
  expect(result.logsTail).toBe('{"measurement":1,"value":2}\n{"measurement"\n[]\n');
});

test('an attachment that is a pipe is left out, for it might never end', async () => {
  const { result } = await run(shell(`mkfifo pipe; echo '{"attachment":"pipe"}'`));
  expect(result.attachments).toEqual([]);
  expect(result.logsTail).toContain('The attachment pipe cannot be read');
});

test('keeps no more than 64 attachments, and no more than that in hand', async () => {
  const { result } = await run(shell(`echo > many.txt; for n in $(seq 70); do echo '{"attachment":"many.txt"}'; done`));
  expect(result.attachments).toHaveLength(64);
  expect(result.logsTail.match(/More than 64 attachments/g)).toHaveLength(1);
});

test('names attachments by size and hash; one that is missing is said in the log', async () => {
  const { result } = await run(shell(`printf abc > a.txt; echo '{"attachment":"a.txt"}'; echo '{"attachment":"b"}'`));
  expect(result.attachments).toEqual([
    {
      ...{ name: 'a.txt', sizeBytes: 3n, mediaType: '' },
      sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    },
  ]);
  expect(result.logsTail).toContain('The attachment b cannot be read');
});

test('keeps the end of a long log, without U+0000', async () => {
  const { result, outcome } = await run(
    shell(`i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done; printf 'z\\0z'`),
  );
  expect(Buffer.byteLength(result.logsTail)).toBeLessThanOrEqual(16 * 1024);
  expect(result.logsTail.endsWith('line 2999\nz\uFFFDz\n')).toBe(true);
  expect(outcome).toMatchObject({ kind: 'ran' });
});

test('a program that cannot be started gives no result: it is the bot that lacks it', async () => {
  const { outcome, results } = await run(work({ argv: ['/no/such/program'] }));
  expect(outcome).toEqual({ kind: 'cannot-start', why: expect.stringContaining('/no/such/program cannot be started') });
  expect(results).toEqual([]);
});

test('a test that takes too long is stopped, children and all, and has failed', async () => {
  const clock = createManualClock();
  // The child inherits its parent's deafness to the polite signal.
  const script = `trap '' TERM; sh -c 'while :; do sleep 0.05; done' & echo $! > pid; wait`;
  const station = work({ argv: ['/bin/sh', '-c', script] }, { timeout: { seconds: 30n, nanos: 0 } });
  const running = run(station, undefined, clock);
  const readPid = (): number => Number(existsSync(join(folder, 'pid')) ? readFileSync(join(folder, 'pid'), 'utf8') : 0);
  await expect.poll(readPid, { timeout: 30_000 }).toBeGreaterThan(0);
  await clock.advance(30_000);
  await clock.untilSleepOf(5_000);
  await clock.advance(5_000);
  expect((await running).result).toMatchObject({ status: TestStatus.FAILED, errorMessage: 'timed out after 30 s' });
  await expect.poll(() => isRunning(readPid()), { timeout: 30_000 }).toBe(false);
});

test('a stop ends the command, and the test it cut gives no result', async () => {
  const stop = new AbortController();
  const running = run(work({ argv: ['/bin/sleep', '1000'] }), stop.signal);
  stop.abort();
  expect((await running).results).toEqual([]);
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
