/** The line of a run: its units, its stations, its jobs. */
import { Duration } from '../../src/gen/google/protobuf/duration.ts';
import { EnqueueJobRequest, OnFailed } from '../../src/gen/stationgrid/v1/jobs.ts';
import type { HostSpec } from './bot-host.ts';

export const INSTANCE = 'chaos-line';
export const MLB = 'serials.mlb_serial_number';
/** The last one asks the shopfloor before it starts. */
export const STATIONS = ['SMT', 'RUNIN', 'FFT', 'FAT'] as const;
const GATED = 'FAT';

export const boardOf = (unit: number): string => `UNIT-${String(unit + 1).padStart(3, '0')}`;
export const botOf = (unit: number): string => `bot-${String(unit + 1).padStart(3, '0')}`;

/** Each bot stands at a unit of its own, and can reach its neighbour's: two hosts may then want one DUT. */
export const boardsAt = (bot: number, bots: number, botsAHost: number): HostSpec['bots'][number]['boards'] => [
  boardOf(bot),
  boardOf((bot + botsAHost) % bots),
];

export const lineOf = (shopfloorUrl: string): object => ({
  instance: INSTANCE,
  shopfloor: { url: shopfloorUrl },
  stations: STATIONS.map((name) => ({ name, mode: name === GATED ? 'gate' : 'notify' })),
});

const TESTS = 2;
const SECONDS_MAX = 60n;

export interface Work {
  readonly request: string;
  readonly unit: number;
  readonly station: string;
  /** Of each of its tests. */
  readonly ms: number;
  readonly fails: boolean;
}

export const requestOf = ({ request, unit, station, ms, fails }: Work): EnqueueJobRequest => {
  const ids = Array.from({ length: TESTS }, (_, index) => `chaos:${station}.${index + 1}`);
  return EnqueueJobRequest.fromPartial({
    requestId: request,
    job: {
      instance: INSTANCE,
      station,
      serials: { [MLB]: boardOf(unit) },
      route: 'line',
      onFailed: OnFailed.CONTINUE,
      task: {
        $case: 'work',
        value: {
          station,
          tests: ids.map((testId) => ({
            testId,
            run: { $case: 'handler', value: 'work' },
            timeout: Duration.fromPartial({ seconds: SECONDS_MAX }),
            args: { request, durationMs: ms, fails: fails ? ids[0] : '' },
          })),
        },
      },
    },
  });
};
