/** `stationgrid unit`, against a farm that answers as the test says. */
import { afterEach, expect, test } from 'vitest';
import { EXIT } from '../../src/cli/exit-codes.ts';
import { JobState, Verdict } from '../../src/gen/stationgrid/v1/jobs.ts';
import { CallState } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { CheckStationResponse, GetUnitResponse, UnitEntry } from '../../src/gen/stationgrid/v1/units.ts';
import { TestStatus } from '../../src/gen/stationgrid/v1/work.ts';
import { type Canned, type CannedFarm, startCannedFarm } from './canned-farm.ts';
import { runCli } from './run-cli.ts';

const farms: CannedFarm[] = [];
afterEach(() => {
  for (const farm of farms.splice(0)) farm.stop();
});

const ask = async (words: readonly string[], canned: Canned) => {
  const farm = await startCannedFarm(canned);
  farms.push(farm);
  return { ...(await runCli([...words, '--server', farm.address])), asked: farm.asked };
};

const device = { id: 7n, instance: 'line1', serials: { 'serials.serial_number': 'SN-1' } };
let second = 0n;
type What = NonNullable<Parameters<typeof UnitEntry.fromPartial>[0]['what']>;
const entry = (what: What, place = { station: 'FAT', jobId: 17n }): UnitEntry =>
  UnitEntry.fromPartial({ time: { seconds: 1_772_373_900n + (second += 1n), nanos: 0 }, ...place, what });
const attempt = (leaseId: string, number: number, state: string, reason: string) =>
  entry({ $case: 'attempt', value: { leaseId, attempt: number, botId: 'bot-3', state, reason } });
const call = (method: string, state: CallState, number: number) =>
  entry({ $case: 'call', value: { method, state, attempt: number, sends: 1 } });

const failed = { state: JobState.FINISHED, verdict: Verdict.VERDICT_FAILED, attempts: 2, reason: 'FAT.Camera failed' };
const entries = [
  entry({ $case: 'job', value: { id: 17n, ...failed } }),
  attempt('l-1', 1, 'LOST', 'its bot was lost'),
  call('NotifyStart', CallState.DELIVERED, 1),
  attempt('l-2', 2, 'COMPLETED', ''),
  entry({
    $case: 'result',
    value: {
      attempt: 2,
      result: {
        testId: 'FAT.Camera',
        status: TestStatus.FAILED,
        errorMessage: 'dark',
        measurements: [{ name: 'lux', value: { $case: 'number', value: 3 }, unit: 'lx' }],
      },
    },
  }),
  call('NotifyStart', CallState.OWED, 2),
  call('NotifyEnd', CallState.DEAD, 2),
  entry(
    { $case: 'upload', value: { kind: 'REPORT', path: 'report/1.rpt.xz', sizeBytes: 12n } },
    {
      station: '',
      jobId: 0n,
    },
  ),
  entry({ $case: 'event', value: { kind: 'DEVICE_CHANGED', facts: { keys: 'factory.line' } } }),
  entry({ $case: 'note', value: { author: 'member:ada', note: 'worn\u001b[2J probe', createTime: undefined } }),
];

test('shows a unit, its stations, and what happened', async () => {
  const { code, stdout, asked } = await ask(['unit', 'SN-1', '--name', 'serials.serial_number'], {
    getUnit: () => GetUnitResponse.fromPartial({ device, entries }),
  });
  expect(code).toBe(EXIT.ok);
  expect(asked[0]!.request).toMatchObject({ name: 'serials.serial_number', value: 'SN-1' });
  const table = stdout
    .split('\n')
    .map((line) => line.replaceAll(/ {2,}/g, ' | ').replaceAll(/2026-03-01 14:05:/g, ':'));
  expect(table).toEqual([
    'Unit: | 7',
    'Instance: | line1',
    'Serials: | serial_number=SN-1',
    '',
    'STATION | JOB | ATTEMPT | BOT | VERDICT | WHEN | FAILED TESTS | CALLS',
    'FAT | 17 | 1 | bot-3 | LOST | :02 | - | 1 delivered',
    'FAT | 17 | 2 | bot-3 | FAILED | :04 | FAT.Camera | 1 owed, 1 dead',
    '',
    'TIME | STATION | JOB | WHAT | HOW',
    ':01 | FAT | 17 | job | FINISHED, FAILED, FAT.Camera failed',
    ':02 | FAT | 17 | attempt 1 | on bot-3: LOST, its bot was lost',
    ':03 | FAT | 17 | call | NotifyStart, DELIVERED',
    ':04 | FAT | 17 | attempt 2 | on bot-3: COMPLETED',
    ':05 | FAT | 17 | test | FAT.Camera FAILED, dark, lux=3 lx',
    ':06 | FAT | 17 | call | NotifyStart, OWED',
    ':07 | FAT | 17 | call | NotifyEnd, DEAD',
    ':08 | - | - | upload | REPORT report/1.rpt.xz, 12 bytes',
    ':09 | FAT | 17 | event | DEVICE_CHANGED, keys: factory.line',
    ':10 | FAT | 17 | note | member:ada: worn [2J probe',
    '',
  ]);
});

test('reads page after page, and says what is left out', async () => {
  const pages = [
    GetUnitResponse.fromPartial({ device, entries: entries.slice(0, 3), nextPageToken: 'more' }),
    GetUnitResponse.fromPartial({ device, entries: entries.slice(3), olderLeftOut: true }),
  ];
  const { stdout, stderr, asked } = await ask(['unit', 'SN-1', '-o', 'json'], {
    getUnit: ({ pageToken }) => pages[pageToken === '' ? 0 : 1]!,
  });
  const json = JSON.parse(stdout) as { device: object; entries: unknown[]; olderLeftOut: boolean };
  expect(json).toMatchObject({ device: { id: '7' }, olderLeftOut: true });
  expect(json.entries).toHaveLength(entries.length);
  expect(json.entries[8]).toMatchObject({ event: { kind: 'DEVICE_CHANGED', facts: { keys: 'factory.line' } } });
  expect(asked).toHaveLength(2);
  expect(stderr).toContain('limits.units');
  const few = await ask(['unit', 'SN-1', '--limit', '2'], { getUnit: () => pages[0]! });
  expect(few.stderr).toContain('There are more');
});

test('says by its exit code whether the unit may run a station', async () => {
  const said = { code: 'DRAINED', words: 'One bot is drained.', jobId: 17n, deviceId: 7n };
  const no = await ask(['unit', 'SN-1', '--station', 'FAT'], {
    checkStation: () => CheckStationResponse.fromPartial({ ...said, candidates: [{ botId: 'b', whyNot: 'rack 4' }] }),
  });
  expect(no.code).toBe(EXIT.workFailed);
  expect(no.asked[0]!.request).toMatchObject({ value: 'SN-1', station: 'FAT' });
  expect(no.stdout).toMatch(/May run: +no\nWhy: +DRAINED\nThat is: +One bot is drained\.\n\nBOT +WHY NOT\nb +rack 4/);
  const yes = await ask(['unit', 'SN-1', '--station', 'FAT', '-o', 'json'], {
    checkStation: () => CheckStationResponse.fromPartial({ ...said, mayRun: true, code: 'RUNNABLE' }),
  });
  expect(yes.code).toBe(EXIT.ok);
  expect(JSON.parse(yes.stdout)).toMatchObject({ mayRun: true, code: 'RUNNABLE', jobId: '17' });
});
