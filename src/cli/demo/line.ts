/** The demo's line: five stations, their tests as a reference test list names them, and the units that go through. */
import type { EnqueueJobRequest } from '../../gen/stationgrid/v1/jobs.ts';
import { OnFailed } from '../../gen/stationgrid/v1/jobs.ts';
import { Duration } from '../../gen/google/protobuf/duration.ts';
import { Job } from '../../gen/stationgrid/v1/jobs.ts';

export const INSTANCE = 'demo-line';

export type DemoStation = {
  readonly name: string;
  readonly tests: readonly { readonly id: string; readonly ms: number; readonly measures?: Measured }[];
};
type Measured = { readonly name: string; readonly unit: string; readonly min: number; readonly max: number };

// prettier-ignore
export const stations: readonly DemoStation[] = [
  { name: 'SMT', tests: [
    { id: 'SMT.ProbeComponents.ProbeCamera', ms: 60 },
    { id: 'SMT.ProbeComponents.ProbeTouchpad', ms: 40 },
    { id: 'SMT.USBTypeA.StorageSpeed', ms: 120, measures: { name: 'read_speed', unit: 'MB/s', min: 90, max: 400 } },
  ] },
  { name: 'FAT', tests: [
    { id: 'FAT.FATStart.TestGroup.GetDeviceInfo', ms: 40 },
    { id: 'FAT.WriteVPD', ms: 60 },
    { id: 'FAT.WriteHWID', ms: 60 },
  ] },
  { name: 'RUNIN', tests: [
    { id: 'RunIn.Stress.StressAppTest', ms: 250, measures: { name: 'cpu_temperature', unit: 'C', min: 20, max: 95 } },
    { id: 'RunIn.Suspend', ms: 120 },
    { id: 'RunIn.Charge', ms: 120, measures: { name: 'battery_current', unit: 'mA', min: 1200, max: 3200 } },
  ] },
  { name: 'FFT', tests: [
    { id: 'FFT.Display.DisplayTest', ms: 60 },
    { id: 'FFT.Keyboard', ms: 60 },
    { id: 'FFT.Camera.LED', ms: 40 },
    { id: 'FFT.WiFi', ms: 80, measures: { name: 'signal_level', unit: 'dBm', min: -70, max: -20 } },
  ] },
  { name: 'GRT', tests: [
    { id: 'GRT.Finalize.WriteProtect', ms: 60 },
    { id: 'GRT.Finalize.Report', ms: 60 },
  ] },
];

/** One unit has a fault that its station must find: a failing test is a result, and the farm never repeats it. */
const FAULTY_UNIT = 7;
const FAULTY_TEST = 'FFT.Display.DisplayTest';

export type DemoUnit = { readonly number: number; readonly mlb: string };

export const unitsOf = (n: number): readonly DemoUnit[] =>
  Array.from({ length: n }, (_, index) => ({ number: index + 1, mlb: `TESTMLB${String(index + 1).padStart(3, '0')}` }));

export const MLB_SERIAL = 'serials.mlb_serial_number';

/** Which units stand at which bot: dealt out in turn. */
export const unitsAtBot = (units: readonly DemoUnit[], bot: number, bots: number): readonly DemoUnit[] =>
  units.filter(({ number }) => (number - 1) % bots === bot);

export const configText = (shopfloorUrl: string): string =>
  [
    'lines:',
    `  - instance: ${INSTANCE}`,
    `    shopfloor: { url: '${shopfloorUrl}' }`,
    '    stations:',
    // FAT asks the shopfloor before it starts; the others tell it.
    ...stations.map(({ name }) => `      - { name: ${name}, mode: ${name === 'FAT' ? 'gate' : 'notify'} }`),
    '',
  ].join('\n');

/** The whole route of a unit, station by station. */
export const requestsOf = (unit: DemoUnit): EnqueueJobRequest[] =>
  stations.map((station) => ({
    requestId: `demo-${unit.mlb}-${station.name}`,
    job: Job.fromPartial({
      instance: INSTANCE,
      station: station.name,
      serials: { [MLB_SERIAL]: unit.mlb },
      route: 'line',
      onFailed: OnFailed.CONTINUE,
      task: {
        $case: 'work',
        value: {
          station: station.name,
          tests: station.tests.map(({ id, ms, measures }) => ({
            testId: `generic_main:${id}`,
            run: { $case: 'handler', value: 'simulate' },
            timeout: Duration.fromPartial({ seconds: 30n }),
            args: {
              durationMs: ms,
              ...(measures === undefined ? {} : { measurements: [measures] }),
              ...(unit.number === FAULTY_UNIT && id === FAULTY_TEST ? { outcome: 'FAILED' } : {}),
            },
          })),
        },
      },
    }),
  }));
