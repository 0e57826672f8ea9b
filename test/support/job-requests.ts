/** Job requests for tests, complete but for what a test is about. */
import type { JobRequest } from '../../src/core/job-request.ts';
import type { StationWork } from '../../src/core/station-work.ts';

export const testWork = (station: string, testIds: readonly string[] = ['probe']): StationWork => ({
  station,
  tests: testIds.map((testId) => ({ testId, run: null, args: null, timeoutMs: null })),
});

/** Work for station FAT on no particular DUT. */
export const jobRequest = (changes: Partial<JobRequest> = {}): JobRequest => {
  const station = changes.station ?? 'FAT';
  return {
    requestId: null,
    instance: 'line-1',
    station,
    task: { kind: 'work', work: testWork(station) },
    serials: {},
    constraints: [],
    requestedBotId: null,
    priority: 0,
    route: null,
    onFailed: 'stop',
    attemptsMax: null,
    queueTimeoutMs: null,
    matchTimeoutMs: null,
    executionTimeoutMs: null,
    expiresAt: null,
    reservation: null,
    ...changes,
  };
};

/** The DUT whose main board has this serial. */
export const mlb = (value: string): Readonly<Record<string, string>> => ({ 'serials.mlb_serial_number': value });
